#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Make VMDK files of every kind from a raw image, whole or damaged.

Written for the tests, after VMware's "Virtual Disk Format 5.0", so that
they do not depend on what qemu-img writes: it makes no streams in the
layout of ESXi, no zeroed grains and nothing that is broken.

Snapshots (cowd, sesparse) hold what differs between the raw image and
that of the parent; the layout of seSparse is as qemu reads it.

usage: make-vmdk.py --type TYPE [options] INPUT.raw OUTPUT.vmdk
       make-vmdk.py --type cowd|sesparse --parent PARENT.vmdk
                    --parent-raw PARENT.raw INPUT.raw OUTPUT.vmdk
       make-vmdk.py --list-damages
"""

import argparse
import os
import struct
import sys
import zlib

SECTOR = 512
GD_AT_END = 0xffffffffffffffff
EOS, GT, GD, FOOTER = range(4)
DESCRIPTOR_SECTOR = 1

CREATE_TYPES = {
    'stream': 'streamOptimized',          # as ESXi: directories at the end
    'stream-front': 'streamOptimized',    # as qemu: directories in front
    'sparse': 'monolithicSparse',
    'flat': 'monolithicFlat',
    'vmfs': 'vmfs',
    'two-gb-sparse': 'twoGbMaxExtentSparse',
    'two-gb-flat': 'twoGbMaxExtentFlat',
    'cowd': 'vmfsSparse',
    'sesparse': 'seSparse',
}
COWD_ENTRIES = SE_ENTRIES = 4096
SE_GRAIN = 4096
SE_DIRECTORY_SECTOR = 4096

# What is wrong with the file.  The name says where: the functions below
# look for it at the place where they write that.
DAMAGES = '''
 header-capacity header-capacity-bytes header-capacity-directory
 header-grain-size header-grain-huge header-entries header-version
 header-compression header-flags header-newline header-unclean
 header-cowd header-sesparse header-no-markers header-no-gd
 gd-past-end gd-too-many gt-past-end gte-past-end gte-in-header
 grain-lba grain-size grain-marker grain-adler grain-data grain-short
 grain-long grain-cut
 footer-overlap footer-contradicts footer-no-gd footer-missing
 footer-bad-magic
 scan-loop scan-absurd scan-twice scan-unknown scan-outside
 scan-no-end scan-overhead
 tail-cut tail-zero tail-padded
 descriptor-past-end descriptor-huge descriptor-two descriptor-mismatch
 descriptor-parent descriptor-hint
 descriptor-encrypted descriptor-noaccess descriptor-type
 descriptor-path descriptor-dotdot descriptor-twice descriptor-sectors
 descriptor-text descriptor-none descriptor-rounded descriptor-vmfssparse
 extent-missing extent-short
 cowd-magic cowd-version cowd-capacity cowd-grain cowd-gd-header
 cowd-gd-past-end cowd-gd-few cowd-gt-past-end cowd-gt-many
 cowd-gte-past-end cowd-gte-header cowd-cut
 se-magic se-version se-grain se-table se-flags se-capacity se-grains
 se-volatile se-volatile-past-end se-journal se-gd-past-end se-gd-small
 se-gde-kind se-gt-past-end se-gt-many se-tables se-gte-kind se-gte-low
 se-gte-past-end se-gte-overflow se-cut
 chain-cid chain-no-cid chain-no-parent-cid chain-size chain-vsan
 chain-rdm-physical chain-sparse chain-path
'''.split()


def round_up(n, unit):
    return (n + unit - 1) // unit * unit


def pad(data, unit=SECTOR):
    return data + bytes(-len(data) % unit)


class Maker:
    def __init__(self, args):
        self.args = args
        self.damage = args.damage
        self.grain_size = args.grain_size
        self.entries = args.entries
        self.descriptor_sectors = 1 if args.tight else 20
        self.stream_overhead = 2 if args.tight else 128
        self.raw = open(args.input, 'rb')
        self.raw_size = os.fstat(self.raw.fileno()).st_size
        self.capacity = round_up(args.capacity or self.raw_size, SECTOR)

    # Reading the raw image.

    def read(self, offset, count):
        self.raw.seek(offset)
        return self.raw.read(max(0, min(count, self.raw_size - offset)))

    def grains(self, start, size):
        """(number, data) of the grains of [start, start+size) that are not
        zero, without reading the holes of the raw image."""
        offset = 0
        while offset < size and start + offset < self.raw_size:
            try:
                data = os.lseek(self.raw.fileno(), start + offset,
                                os.SEEK_DATA) - start
            except OSError:
                return
            offset = max(offset, data // self.grain_size * self.grain_size)
            if offset >= size:
                return
            count = min(self.grain_size, size - offset)
            data = self.read(start + offset, count)
            data += bytes(count - len(data))
            if data.strip(b'\0'):
                yield offset // self.grain_size, data
            offset += self.grain_size

    # Pieces of the format.

    def header(self, capacity, flags, gd, overhead, rgd=0, compressed=False,
               descriptor=True, version=1):
        d = self.damage
        fields = {
            'magic': b'KDMV', 'version': version, 'flags': flags | 1,
            'capacity': capacity // SECTOR,
            'grain': self.grain_size // SECTOR,
            'entries': self.entries, 'compression': 1 if compressed else 0,
            'unclean': 0, 'newline': b'\n \r\n',
        }
        where = (DESCRIPTOR_SECTOR, self.descriptor_sectors) if descriptor \
            else (0, 0)
        changes = {
            'header-capacity': ('capacity', 1 << 63),
            'header-capacity-bytes': ('capacity', 1 << 54),
            'header-capacity-directory': ('capacity', 1 << 36),
            'header-grain-size': ('grain', 100),
            'header-grain-huge': ('grain', 1 << 20),
            'header-entries': ('entries', 0),
            'header-version': ('version', 4),
            'header-compression': ('compression', 2),
            'header-flags': ('flags', flags ^ (1 << 16)),
            'header-no-markers': ('flags', flags & ~(1 << 17)),
            'header-newline': ('newline', b'\r\n \r'),
            'header-unclean': ('unclean', 1),
            'header-cowd': ('magic', b'COWD'),
            'header-sesparse': ('magic', b'\xbe\xba\xfe\xca'),
        }
        if d in changes:
            key, value = changes[d]
            fields[key] = value
        if d == 'header-sesparse':
            return pad(fields['magic'])
        if d == 'descriptor-past-end':
            where = (1 << 40, 20)
        if d == 'descriptor-huge':
            where = (DESCRIPTOR_SECTOR, 2049)
        if d == 'descriptor-none':
            where = (0, 0)
        if d == 'header-no-gd':
            gd = 0
        if d == 'scan-overhead':
            overhead = 1 << 60
        f = fields
        return pad(struct.pack('<4sIIQQQQIQQQB4sH', f['magic'], f['version'],
                               f['flags'], f['capacity'], f['grain'],
                               *where, f['entries'], rgd, gd, overhead,
                               f['unclean'], f['newline'],
                               f['compression']))

    def descriptor(self, extents, create_type):
        """EXTENTS are (type, bytes, file name, bytes in that file)."""
        d = self.damage
        lines = ['# Disk DescriptorFile', 'version=1']
        if d != 'chain-no-cid':
            lines.append('CID=' + self.cid())
        if d == 'chain-rdm-physical':
            create_type = 'vmfsPassthroughRawDeviceMap'
        if d == 'descriptor-parent':
            lines.append('parentCID=12345678')
        elif self.args.parent:
            if d != 'chain-no-parent-cid':
                lines.append('parentCID=' + ('87654321' if d == 'chain-cid'
                                             else self.parent_cid()))
            lines.append('parentFileNameHint="%s"' %
                         os.path.basename(self.args.parent))
        else:
            lines.append('parentCID=ffffffff')
        if d == 'descriptor-hint':
            lines.append('parentFileNameHint="base.vmdk"')
        if d == 'descriptor-encrypted':
            lines.append('encryption.keySafe = "vmware:key/list/(x)"')
        lines += ['createType="%s"' % create_type, '', '# Extent description']
        for number, extent in enumerate(extents):
            kind, size, name, offset = extent
            access = 'RDONLY' if create_type == 'streamOptimized' else 'RW'
            sectors = size // SECTOR
            if number == 0:
                if d == 'descriptor-noaccess':
                    access = 'NOACCESS'
                if d == 'descriptor-type':
                    kind = 'VMFSRDM'
                if d == 'descriptor-vmfssparse':
                    kind = 'VMFSSPARSE'
                if d == 'descriptor-path':
                    name = '../../etc/passwd'
                if d == 'descriptor-dotdot':
                    name = '..'
                if d == 'descriptor-sectors':
                    sectors = '0x10'
                if d == 'descriptor-rounded':
                    sectors -= 3
                if d == 'descriptor-mismatch':
                    sectors *= 2
                if d == 'chain-size':
                    sectors -= 8
                if d == 'chain-vsan':
                    name = 'vsan://52ab8c77-1234'
                if d == 'chain-sparse':
                    kind = 'SPARSE'
                if d == 'chain-path':
                    name = '../' + name
            if d == 'descriptor-twice' and number == 1:
                name = extents[0][2]
            line = '%s %s %s' % (access, sectors, kind)
            if kind != 'ZERO':
                line += ' "%s"' % name
                if kind == 'FLAT':
                    line += ' %d' % (offset // SECTOR)
            lines.append(line)
        if d == 'descriptor-two':
            lines.append('RW 1 ZERO')
        lines += ['', '# The Disk Data Base', '#DDB', '',
                  'ddb.virtualHWVersion = "13"',
                  'ddb.adapterType = "lsilogic"', '']
        text = '\n'.join(lines).encode()
        if d == 'descriptor-text':
            text = text.replace(b'version=1', b'\x1b[31mrubbish')
        return text

    def embedded(self, capacity, create_type):
        name = os.path.basename(self.args.output)
        text = self.descriptor([('SPARSE', capacity, name, 0)], create_type)
        return pad(text, self.descriptor_sectors * SECTOR)

    def marker(self, kind, value=0):
        return pad(struct.pack('<QII', value, 0, kind))

    def stored_grain(self, number, data, damaged):
        """The compressed form of a grain with its header."""
        d = self.damage if damaged else None
        lba = number * self.grain_size // SECTOR
        if self.args.pad_last:
            data = pad(data, self.grain_size)
        if d == 'grain-short':
            data = data[:-SECTOR]
        if d == 'grain-long':
            data += b'x'
        packer = zlib.compressobj(self.args.level,
                                  strategy=zlib.Z_FIXED if self.args.fixed
                                  else zlib.Z_DEFAULT_STRATEGY)
        packed = bytearray(packer.compress(data) + packer.flush())
        size = len(packed)
        if d == 'grain-adler':
            packed[-1] ^= 1
        if d == 'grain-data':
            packed[0] ^= 0xff
        if d == 'grain-cut':
            size //= 2
        if d == 'grain-size':
            size = 0xfffffff0
        if d == 'grain-marker':
            size = 0
        if d == 'grain-lba':
            lba += self.grain_size // SECTOR
        return pad(struct.pack('<QI', lba, size) + packed)

    # Whole files.

    def zero_entry(self):
        return 1 if self.args.zeroed else 0

    def flags(self):
        return 4 if self.args.zeroed else 0

    def stream(self, out, capacity):
        """A stream in the layout of ESXi."""
        d = self.damage
        flags = 0x30000 | self.flags()
        nr_grains = round_up(capacity, self.grain_size) // self.grain_size
        nr_tables = round_up(nr_grains, self.entries) // self.entries
        directory = [0] * nr_tables
        seen = 0

        out.write(self.header(capacity, flags, GD_AT_END, self.stream_overhead,
                              compressed=True, version=3))
        out.write(self.embedded(capacity, 'streamOptimized'))
        out.seek(self.stream_overhead * SECTOR)

        def end_table(index, table):
            if d == 'gte-past-end':
                table[next(i for i, e in enumerate(table) if e > 1)] = \
                    0xfffffff0
            if d == 'scan-loop' and index == 0:
                # The next unit would be at the start of the file.
                out.write(self.marker(GT, (1 << 55) -
                                      out.tell() // SECTOR - 1))
            elif d == 'scan-absurd' and index == 0:
                out.write(self.marker(GT, (1 << 64) - 1))
            else:
                out.write(self.marker(GT, len(pad(bytes(4 * self.entries)))
                                      // SECTOR))
            directory[index] = out.tell() // SECTOR
            out.write(pad(struct.pack('<%dI' % self.entries, *table)))

        current, table = 0, None
        for number, data in self.grains(0, capacity):
            index = number // self.entries
            if table and index != current:
                end_table(current, table)
                table = None
            if table is None:
                current, table = index, [self.zero_entry()] * self.entries
            table[number % self.entries] = out.tell() // SECTOR
            unit = self.stored_grain(number, data, seen == 1)
            if d == 'scan-outside' and seen == 1:
                unit = struct.pack('<Q', capacity // SECTOR * 2) + unit[8:]
            out.write(unit)
            if d == 'scan-twice' and seen == 1:
                out.write(unit)
            if d == 'scan-unknown' and seen == 1:
                out.write(self.marker(77))
            seen += 1
        if table:
            end_table(current, table)
        self.stream_tail(out, capacity, flags, directory)

    def stream_tail(self, out, capacity, flags, directory):
        d = self.damage
        data_end = out.tell()
        if d == 'gt-past-end':
            directory[0] = 0xfffffff0
        if d == 'gd-too-many':
            directory = [max(directory)] * len(directory)
        packed = pad(struct.pack('<%dI' % len(directory), *directory))
        out.write(self.marker(GD, len(packed) // SECTOR))
        gd = out.tell() // SECTOR
        out.write(packed)

        if d == 'gd-past-end':
            gd = 1 << 40
        if d == 'footer-overlap':
            gd = out.tell() // SECTOR
        if d == 'footer-no-gd' or (d and d.startswith('scan-')):
            gd = 0
        footer = self.header(capacity * 2 if d == 'footer-contradicts'
                             else capacity, flags, gd, self.stream_overhead,
                             compressed=True, version=3)
        if d == 'footer-bad-magic':
            footer = b'XXXX' + footer[4:]
        if d != 'footer-missing':
            out.write(self.marker(FOOTER, 1))
            out.write(footer)
        if d != 'scan-no-end':
            out.write(self.marker(EOS))
        if d == 'tail-cut':
            out.truncate(data_end * 3 // 4)
        if d == 'tail-zero':
            size = out.tell()
            out.truncate(round_up(data_end * 3 // 4, SECTOR))
            out.truncate(size)
        if d == 'tail-padded':
            out.truncate(round_up(out.tell(), 1 << 20) + 4096)

    def front(self, out, start, capacity, compressed, descriptor=True):
        """Directories and tables in front, and a second, redundant set of
        them before that; [start, start+capacity) of the raw image."""
        d = self.damage
        nr_grains = round_up(capacity, self.grain_size) // self.grain_size
        nr_tables = round_up(nr_grains, self.entries) // self.entries
        gd_sectors = round_up(4 * nr_tables, SECTOR) // SECTOR
        gt_sectors = round_up(4 * self.entries, SECTOR) // SECTOR
        rgd = DESCRIPTOR_SECTOR + self.descriptor_sectors
        gd = rgd + gd_sectors + nr_tables * gt_sectors
        end = gd + gd_sectors + nr_tables * gt_sectors
        overhead = end if self.args.tight else \
            round_up(end, self.grain_size // SECTOR)
        flags = 2 | self.flags() | (0x30000 if compressed else 0)
        create_type = 'streamOptimized' if compressed else 'monolithicSparse'

        out.write(self.header(capacity, flags,
                              1 << 40 if d == 'gd-past-end' else gd,
                              overhead, rgd=rgd, compressed=compressed,
                              descriptor=descriptor,
                              version=3 if compressed else 1))
        if descriptor:
            out.write(self.embedded(capacity, create_type))

        tables = {}
        position = overhead * SECTOR
        seen = 0
        grains = self.grains(start, capacity)
        if self.args.reverse:
            grains = reversed(list(grains))
        for number, data in grains:
            table = tables.setdefault(number // self.entries,
                                      [self.zero_entry()] * self.entries)
            table[number % self.entries] = position // SECTOR
            out.seek(position)
            if compressed:
                position += out.write(self.stored_grain(number, data,
                                                        seen == 1))
            else:
                out.write(pad(data))
                position += self.grain_size
            seen += 1
        out.truncate(max(position, out.tell()))
        if compressed:
            out.seek(position)
            out.write(self.marker(EOS))

        if tables:
            table = tables[min(tables)]
            if d == 'gte-past-end':
                table[next(i for i, e in enumerate(table) if e > 1)] = \
                    0xfffffff0
            if d == 'gte-in-header':
                table[next(i for i, e in enumerate(table) if e > 1)] = 2
        for where in rgd, gd:
            first = where + gd_sectors
            directory = [first + i * gt_sectors for i in range(nr_tables)]
            for index, table in sorted(tables.items()):
                out.seek(directory[index] * SECTOR)
                out.write(struct.pack('<%dI' % self.entries, *table))
            if d == 'gt-past-end':
                directory[0] = 0xfffffff0
            out.seek(where * SECTOR)
            out.write(struct.pack('<%dI' % nr_tables, *directory))
        if d == 'tail-cut':
            out.truncate(overhead * SECTOR +
                         (position - overhead * SECTOR) * 3 // 4)

    def several(self, kind):
        """A descriptor and extents in files of their own, or, "flat", all
        in one file at their offsets."""
        d = self.damage
        stem = os.path.splitext(self.args.output)[0]
        step = self.args.extent_size or self.capacity
        flat = kind != 'two-gb-sparse'
        extents = []
        for number, start in enumerate(range(0, self.capacity, step)):
            size = min(step, self.capacity - start)
            offset = 0
            if kind == 'two-gb-sparse':
                name = '%s-s%03d.vmdk' % (stem, number + 1)
            elif kind == 'two-gb-flat':
                name = '%s-f%03d.vmdk' % (stem, number + 1)
            else:
                name = '%s-flat.vmdk' % stem
                offset = start
            with open(name, 'r+b' if offset else 'wb') as out:
                if kind == 'two-gb-sparse':
                    self.front(out, start, size, False, descriptor=False)
                else:
                    for grain, data in self.grains(start, size):
                        out.seek(offset + grain * self.grain_size)
                        out.write(data)
                    out.truncate(offset + size)
                if d == 'extent-short' and start + size == self.capacity:
                    out.truncate(out.seek(0, os.SEEK_END) - SECTOR if flat
                                 else 0)
            if d == 'extent-missing' and start + size == self.capacity:
                os.unlink(name)
            extents.append(('SPARSE' if not flat else
                            'VMFS' if kind == 'vmfs' else 'FLAT',
                            size, os.path.basename(name), offset))
        if self.args.zero_extent:
            extents.append(('ZERO', self.args.zero_extent, None, 0))
        with open(self.args.output, 'wb') as out:
            out.write(self.descriptor(extents, CREATE_TYPES[kind]))

    # Snapshots.

    def cid(self):
        return '%08x' % (zlib.crc32(self.args.output.encode()) & 0xfffffffe)

    def parent_cid(self):
        with open(self.args.parent, errors='replace') as f:
            for line in f:
                if line.startswith('CID='):
                    return line[4:].strip()
        return 'ffffffff'

    def differences(self, grain):
        """(number, data) of the grains that differ from the parent's."""
        step = 1 << 20
        with open(self.args.parent_raw, 'rb') as parent:
            for start in range(0, self.capacity, step):
                new = self.read(start, step)
                parent.seek(start)
                old = parent.read(step)
                new += bytes(min(step, self.capacity - start) - len(new))
                old += bytes(len(new) - len(old))
                if new == old:
                    continue
                for i in range(0, len(new), grain):
                    data = new[i:i + grain]
                    if data != old[i:i + grain]:
                        yield (start + i) // grain, data

    def cowd(self, out):
        d = self.damage
        grain = self.args.cowd_grain
        sectors = self.capacity // SECTOR
        span = COWD_ENTRIES * grain
        nr_tables = (sectors + span - 1) // span
        directory = [0] * round_up(nr_tables, SECTOR // 4)
        tables = {}
        at = 4 + len(directory) * 4 // SECTOR
        for number, data in self.differences(grain * SECTOR):
            index = number // COWD_ENTRIES
            if index not in tables:
                tables[index] = [0] * COWD_ENTRIES
                directory[index] = at
                at += COWD_ENTRIES * 4 // SECTOR
            tables[index][number % COWD_ENTRIES] = at
            out.seek(at * SECTOR)
            out.write(pad(data, grain * SECTOR))
            at += grain
        out.truncate(max(at * SECTOR, out.tell()))
        first = min(tables) if tables else None
        if tables:
            table = tables[first]
            used = next(i for i, e in enumerate(table) if e)
            table[used] = {'cowd-gte-past-end': at,
                           'cowd-gte-header': 1}.get(d, table[used])
        for index, table in tables.items():
            out.seek(directory[index] * SECTOR)
            out.write(struct.pack('<%dI' % COWD_ENTRIES, *table))
        if d == 'cowd-gt-past-end':
            directory[first] = at
        if d == 'cowd-gt-many':
            directory = [directory[first]] * len(directory)
        out.seek(4 * SECTOR)
        out.write(struct.pack('<%dI' % len(directory), *directory))
        out.seek(0)
        out.write(struct.pack(
            '<8I', 0x44574f44 if d == 'cowd-magic' else 0x44574f43,
            2 if d == 'cowd-version' else 1, 3,
            0 if d == 'cowd-capacity' else sectors,
            3 if d == 'cowd-grain' else grain,
            {'cowd-gd-header': 3, 'cowd-gd-past-end': at}.get(d, 4),
            nr_tables - 1 if d == 'cowd-gd-few' else len(directory), at))
        if d == 'cowd-cut':
            out.truncate(at * SECTOR // 2)

    def sesparse(self, out):
        d = self.damage
        span = SE_ENTRIES * SE_GRAIN
        nr_tables = (self.capacity + span - 1) // span
        directory = [0] * round_up(nr_tables, SECTOR // 8)
        directory_at = 3 if self.args.tight else SE_DIRECTORY_SECTOR
        tables, grains = {}, []
        for number, data in self.differences(SE_GRAIN):
            index = number // SE_ENTRIES
            if index not in tables:
                directory[index] = 1 << 60 | len(tables)
                tables[index] = [0] * SE_ENTRIES
            if data.strip(b'\0'):
                n = len(grains)
                entry = 3 << 60 | (n & 0xfff) << 48 | n >> 12
                grains.append(pad(data, SE_GRAIN))
            else:
                entry = (1 if self.args.unmapped else 2) << 60
            tables[index][number % SE_ENTRIES] = entry
        first = min(tables) if tables else None
        tables_at = directory_at + len(directory) * 8 // SECTOR
        grains_at = tables_at + max(1, len(tables)) * 64
        end = grains_at + len(grains) * 8
        if tables:
            table = tables[first]
            used = next(i for i, e in enumerate(table) if e >> 60 == 3)
            table[used] = {
                'se-gte-kind': 4 << 60, 'se-gte-low': 5,
                'se-gte-past-end': 3 << 60 | (len(grains) & 0xfff) << 48 |
                                   len(grains) >> 12,
                'se-gte-overflow': (4 << 60) - 1}.get(d, table[used])
            directory[first] = {
                'se-gde-kind': 2 << 60, 'se-gt-past-end': 1 << 60 | 1 << 31,
            }.get(d, directory[first])
        if d == 'se-gt-many':
            directory = [directory[first]] * len(directory)
        header = [0xcafebabe, 0x200000001, self.capacity // SECTOR, 8, 64,
                  0, 0, 0, 0, 0, 1, 1, 2, 2, 2048, 2048,
                  directory_at, len(directory) * 8 // SECTOR,
                  tables_at, len(tables) * 64, grains_at, 0, grains_at, 0,
                  grains_at, len(grains) * 8]
        for name, field, value in (
                ('se-magic', 0, 0xcafebabf), ('se-version', 1, 0x300000001),
                ('se-capacity', 2, 0), ('se-grain', 3, 16),
                ('se-table', 4, 128), ('se-flags', 6, 1),
                ('se-volatile-past-end', 10, 1 << 60),
                ('se-gd-past-end', 16, end), ('se-gd-small', 17, 0),
                ('se-tables', 18, 1 << 56), ('se-grains', 24, 1 << 60)):
            if d == name:
                header[field] = value
        out.write(pad(struct.pack('<26Q', *header)))
        out.write(pad(struct.pack(
            '<4Q', 0xcafecaff if d == 'se-volatile' else 0xcafecafe,
            len(tables), 1, 1 if d == 'se-journal' else 0)))
        out.seek(directory_at * SECTOR)
        out.write(struct.pack('<%dQ' % len(directory), *directory))
        for number, table in enumerate(tables.values()):
            out.seek((tables_at + number * 64) * SECTOR)
            out.write(struct.pack('<%dQ' % SE_ENTRIES, *table))
        out.seek(grains_at * SECTOR)
        out.write(b''.join(grains))
        if d == 'se-cut':
            out.truncate(grains_at * SECTOR)

    def snapshot(self, kind):
        suffix = 'delta' if kind == 'cowd' else 'sesparse'
        name = '%s-%s.vmdk' % (os.path.splitext(self.args.output)[0], suffix)
        with open(name, 'wb') as out:
            getattr(self, kind)(out)
        with open(self.args.output, 'wb') as out:
            out.write(self.descriptor(
                [('VMFSSPARSE' if kind == 'cowd' else 'SESPARSE',
                  self.capacity, os.path.basename(name), 0)],
                CREATE_TYPES[kind]))

    def make(self):
        kind = self.args.type
        if kind in ('cowd', 'sesparse'):
            return self.snapshot(kind)
        if kind in ('stream', 'stream-front', 'sparse'):
            with open(self.args.output, 'wb') as out:
                if kind == 'stream':
                    self.stream(out, self.capacity)
                else:
                    self.front(out, 0, self.capacity, kind == 'stream-front')
        else:
            self.several(kind)


def main():
    if sys.argv[1:] == ['--list-damages']:
        print('\n'.join(DAMAGES))
        return
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--type', choices=sorted(CREATE_TYPES), required=True)
    p.add_argument('--damage', choices=DAMAGES, metavar='KIND',
                   help='one of those that --list-damages prints')
    p.add_argument('--capacity', type=int, metavar='BYTES',
                   help='if it is to be larger than the raw image')
    p.add_argument('--grain-size', type=int, default=65536, metavar='BYTES')
    p.add_argument('--entries', type=int, default=512,
                   help='entries of a grain table')
    p.add_argument('--extent-size', type=int, metavar='BYTES',
                   help='of each file of a disk of several files')
    p.add_argument('--zero-extent', type=int, metavar='BYTES',
                   help='append so many zeroes as an extent without a file')
    p.add_argument('--zeroed', action='store_true',
                   help='mark grains of zeroes as such (version 2)')
    p.add_argument('--pad-last', action='store_true',
                   help='store all of the last grain')
    p.add_argument('--tight', action='store_true',
                   help='leave out all unused space, for small files')
    p.add_argument('--fixed', action='store_true',
                   help='compress badly: random data become longer')
    p.add_argument('--reverse', action='store_true',
                   help='last grain first (stream-front and sparse)')
    p.add_argument('--parent', metavar='FILE',
                   help='descriptor of the parent (cowd and sesparse)')
    p.add_argument('--parent-raw', metavar='FILE', default='/dev/null',
                   help='what the parent holds')
    p.add_argument('--cowd-grain', type=int, default=1, metavar='SECTORS')
    p.add_argument('--unmapped', action='store_true',
                   help='grains of zeroes are unmapped ones (sesparse)')
    p.add_argument('--level', type=int, default=1, help='of compression')
    p.add_argument('input')
    p.add_argument('output')
    args = p.parse_args()
    Maker(args).make()


if __name__ == '__main__':
    sys.exit(main())
