// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// A disk as a stream-optimised VMDK, made while it is sent, as in VMware's
// "Virtual Disk Format 5.0": grains of 64 KiB, each behind a marker, each
// table after its grains, the directory and a footer at the end.

const (
	grainSectors  = 128
	grainSize     = grainSectors * sectorSize
	tableGrains   = 512
	directoryAtGD = ^uint64(0)

	markerEnd       = 0
	markerTable     = 1
	markerDirectory = 2
	markerFooter    = 3
)

type sparseHeader struct {
	Magic            uint32
	Version          uint32
	Flags            uint32
	Capacity         uint64
	GrainSize        uint64
	DescriptorOffset uint64
	DescriptorSize   uint64
	TableEntries     uint32
	RedundantOffset  uint64
	DirectoryOffset  uint64
	Overhead         uint64
	Unclean          uint8
	LineEnds         [4]byte
	Compression      uint16
	Padding          [433]byte
}

type marker struct {
	Value uint64 // sectors that follow, or of a grain where it belongs
	Size  uint32 // of compressed data; else 0 and the next
	Type  uint32
	Rest  [496]byte
}

type streamWriter struct {
	to      io.Writer
	written int64
	err     error
	// What of the disk is in the stream.
	populated int64
}

func (s *streamWriter) write(data []byte) {
	if s.err != nil {
		return
	}
	var n int
	n, s.err = s.to.Write(data)
	s.written += int64(n)
}

func (s *streamWriter) writeValue(value interface{}) {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, value)
	s.write(b.Bytes())
	s.pad()
}

// pad fills the last sector.
func (s *streamWriter) pad() {
	if rest := s.written % sectorSize; rest > 0 {
		s.write(make([]byte, sectorSize-rest))
	}
}

func (s *streamWriter) sector() int64 {
	return s.written / sectorSize
}

// writeStream sends a raw file as a disk of this capacity.
func (s *streamWriter) writeStream(file *os.File, capacity int64,
	name string) error {
	header := sparseHeader{Magic: 0x564d444b, Version: 3, Flags: 0x30001,
		Capacity: uint64(capacity / sectorSize), GrainSize: grainSectors,
		DescriptorOffset: 1, DescriptorSize: 20, TableEntries: tableGrains,
		DirectoryOffset: directoryAtGD, Overhead: 128,
		LineEnds: [4]byte{'\n', ' ', '\r', '\n'}, Compression: 1}
	s.writeValue(header)
	descriptor := make([]byte, 127*sectorSize)
	copy(descriptor, fmt.Sprintf("# Disk DescriptorFile\nversion=1\n"+
		"CID=fffffffe\nparentCID=ffffffff\n"+
		"createType=\"streamOptimized\"\n\n# Extent description\n"+
		"RDONLY %d SPARSE \"%s\"\n\n# The Disk Data Base \n#DDB\n\n"+
		"ddb.adapterType = \"lsilogic\"\n", capacity/sectorSize, name))
	s.write(descriptor)

	grains := (capacity + grainSize - 1) / grainSize
	tables := (grains + tableGrains - 1) / tableGrains
	directory := make([]uint32, tables)
	for t := int64(0); t < tables && s.err == nil; t++ {
		directory[t] = s.writeTable(file, t*tableGrains, grains, capacity)
	}
	s.writeValue(marker{Value: uint64((len(directory) + 127) / 128),
		Type: markerDirectory})
	header.DirectoryOffset = uint64(s.sector())
	s.writeValue(directory)
	s.writeValue(marker{Value: 1, Type: markerFooter})
	s.writeValue(header)
	s.writeValue(marker{Type: markerEnd})
	return s.err
}

// writeTable sends the grains of one table, then the table; it returns
// where that is, or 0 if it is empty.
func (s *streamWriter) writeTable(file *os.File, first, grains,
	capacity int64) uint32 {
	table := make([]uint32, tableGrains)
	data, zeroes := make([]byte, grainSize), make([]byte, grainSize)
	empty := true
	next := nextData(file, first*grainSize)
	for i := int64(0); i < tableGrains && first+i < grains; i++ {
		offset := (first + i) * grainSize
		if next < 0 || next >= offset+grainSize {
			continue
		}
		copy(data, zeroes)
		n, err := file.ReadAt(data, offset)
		if err != nil && err != io.EOF {
			s.err = err
			return 0
		}
		next = nextData(file, offset+grainSize)
		if n == 0 || bytes.Equal(data, zeroes) {
			continue
		}
		empty = false
		table[i] = uint32(s.sector())
		s.populated += grainSize
		s.writeGrain(offset/sectorSize, data)
	}
	if empty || s.err != nil {
		return 0
	}
	s.writeValue(marker{Value: tableGrains * 4 / sectorSize,
		Type: markerTable})
	at := uint32(s.sector())
	s.writeValue(table)
	return at
}

func (s *streamWriter) writeGrain(sector int64, data []byte) {
	var b bytes.Buffer
	b.Write(make([]byte, 12))
	z, _ := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	_, _ = z.Write(data)
	_ = z.Close()
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(sector))
	binary.LittleEndian.PutUint32(b.Bytes()[8:], uint32(b.Len()-12))
	s.write(b.Bytes())
	s.pad()
}
