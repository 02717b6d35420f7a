// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Extents of snapshots: COWD (VMFSSPARSE, as in VMware's "Virtual Disk
// Format 5.0") and seSparse (as qemu's block/vmdk.c reads it).

// The content of one level of a chain, in grains that differ from the
// level below, in ascending order; none for an empty delta.
type grain struct {
	number int64
	data   []byte // nil for one of zeroes, where the format has such
}

// makeDelta makes the extent of a link from what the disk holds there, or
// an empty one.
func (d *disk) makeDelta(l *link, data string) error {
	size := int64(sectorSize)
	if l.kind == "seSparse" {
		size = seSparseGrain
	}
	var grains []grain
	if data != "" {
		below := d.links[len(d.links)-1].content
		var err error
		if grains, err = differences(below, data, size); err != nil {
			return err
		}
		for _, g := range grains {
			l.areas = append(l.areas, [2]int64{g.number * size, size})
		}
	}
	l.empty = data == ""
	l.content = data
	if l.content == "" {
		l.content = d.links[len(d.links)-1].content
	}
	name := d.ds.file(l.extent)
	if err := os.MkdirAll(filepath.Dir(name), 0700); err != nil {
		return err
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if l.kind == "seSparse" {
		return writeSeSparse(file, d.capacity/sectorSize, grains)
	}
	return writeCOWD(file, d.capacity/sectorSize, grains)
}

// differences compares two raw files of the same size.
func differences(below, above string, size int64) ([]grain, error) {
	a, err := os.Open(below)
	if err != nil {
		return nil, fmt.Errorf("what is below %s is not known: %v",
			above, err)
	}
	defer a.Close()
	b, err := os.Open(above)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	const chunk = 1 << 20
	old, new := make([]byte, chunk), make([]byte, chunk)
	var grains []grain
	for offset := int64(0); ; offset += chunk {
		n, err := io.ReadFull(b, new)
		if n == 0 {
			break
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return nil, err
		}
		for i := range old {
			old[i] = 0
		}
		if _, err := a.ReadAt(old, offset); err != nil && err != io.EOF {
			return nil, err
		}
		if bytes.Equal(old[:n], new[:n]) {
			continue
		}
		for i := int64(0); i < int64(n); i += size {
			part := new[i : i+size]
			if !bytes.Equal(old[i:i+size], part) {
				grains = append(grains, grain{(offset + i) / size,
					append([]byte(nil), part...)})
			}
		}
	}
	return grains, nil
}

const cowdTable = 4096 // grains of one sector in a table

func writeCOWD(file *os.File, sectors int64, grains []grain) error {
	tables := (sectors + cowdTable - 1) / cowdTable
	directory := make([]uint32, (tables+127)/128*128)
	next := uint32(4 + len(directory)/128)
	used := make(map[int64][]uint32)
	for _, g := range grains {
		table := used[g.number/cowdTable]
		if table == nil {
			table = make([]uint32, cowdTable)
			used[g.number/cowdTable] = table
			directory[g.number/cowdTable] = next
			next += cowdTable / 128
		}
		table[g.number%cowdTable] = next
		if _, err := file.WriteAt(g.data, int64(next)*sectorSize); err != nil {
			return err
		}
		next++
	}
	for number, table := range used {
		err := writeAt(file, int64(directory[number])*sectorSize, table)
		if err != nil {
			return err
		}
	}
	if err := writeAt(file, 4*sectorSize, directory); err != nil {
		return err
	}
	header := make([]uint32, 4*sectorSize/4)
	copy(header, []uint32{0x44574f43, 1, 3, uint32(sectors), 1, 4,
		uint32(tables), next})
	return writeAt(file, 0, header)
}

func writeAt(file *os.File, offset int64, values interface{}) error {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, values); err != nil {
		return err
	}
	_, err := file.WriteAt(b.Bytes(), offset)
	return err
}

const (
	seSparseGrain = 4096
	seSparseTable = 4096 // grains in a table of 64 sectors
)

func writeSeSparse(file *os.File, sectors int64, grains []grain) error {
	total := (sectors + 7) / 8
	tables := (total + seSparseTable - 1) / seSparseTable
	directory := make([]uint64, (tables+63)/64*64)
	const directoryAt = 4096
	tablesAt := uint64(directoryAt + len(directory)/64)
	var order []int64
	used := make(map[int64][]uint64)
	zeroes := make([]byte, seSparseGrain)
	stored := uint64(0)
	var data [][]byte
	for _, g := range grains {
		number := g.number / seSparseTable
		table := used[number]
		if table == nil {
			table = make([]uint64, seSparseTable)
			used[number] = table
			directory[number] = 1<<60 | uint64(len(order))
			order = append(order, number)
		}
		entry := uint64(2) << 60
		if !bytes.Equal(g.data, zeroes) {
			// The low twelve bits of the number go to the top.
			entry = 3<<60 | stored&0xfff<<48 | stored>>12
			data = append(data, g.data)
			stored++
		}
		table[g.number%seSparseTable] = entry
	}
	tablesSize := uint64(len(order)) * 64
	if tablesSize == 0 {
		tablesSize = 64
	}
	grainsAt := tablesAt + tablesSize
	header := make([]uint64, sectorSize/8)
	copy(header, []uint64{0xcafebabe, 0x200000001, uint64(sectors), 8, 64,
		0, 0, 0, 0, 0, // flags, four that are reserved
		1, 1, 2, 2, 2048, 2048, // volatile header, journal
		directoryAt, uint64(len(directory) / 64), tablesAt, tablesSize,
		grainsAt, 0, grainsAt, 0, // no bitmap, no map back
		grainsAt, stored * 8})
	volatile := make([]uint64, sectorSize/8)
	volatile[0], volatile[1] = 0xcafecafe, uint64(len(order))
	if err := writeAt(file, 0, append(header, volatile...)); err != nil {
		return err
	}
	if err := writeAt(file, directoryAt*sectorSize, directory); err != nil {
		return err
	}
	for i, number := range order {
		err := writeAt(file, int64(tablesAt)*sectorSize+int64(i)*64*sectorSize,
			used[number])
		if err != nil {
			return err
		}
	}
	for i, part := range data {
		_, err := file.WriteAt(part,
			int64(grainsAt)*sectorSize+int64(i)*seSparseGrain)
		if err != nil {
			return err
		}
	}
	end := int64(grainsAt)*sectorSize + int64(stored)*seSparseGrain
	if info, err := file.Stat(); err != nil || info.Size() >= end {
		return err
	}
	return file.Truncate(end)
}
