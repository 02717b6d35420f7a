# SPDX-License-Identifier: BSD-3-Clause
"""What is copied: one disk in several forms, and an OVA that is huge.

Everything is made when it is first asked for, depends on the arguments
alone and stays in one folder.
"""

import ctypes
import functools
import json
import os
import random
import subprocess
import sys
import tarfile

from measure import data_ranges

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
MAKE_OVA = os.path.join(TOP, "tests", "tools", "make-ova.py")
MIB = 1 << 20
# Parts of the disk that have changed, for the delta copies.
FRACTIONS = (0.001, 0.01, 0.1)
RUNS = (64 << 10, 256 << 10, MIB)
BIG_SIZE = 2 << 40
# What the first sectors of the huge disk are full of.
BIG_BYTE = 0x5a
# FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE of linux/falloc.h
PUNCH_HOLE = 3


def run(*argv, **kwargs):
    return subprocess.run(argv, check=True, stdin=subprocess.DEVNULL,
                          **kwargs)


def punch_hole(fd, start, size):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, PUNCH_HOLE, ctypes.c_int64(start),
                      ctypes.c_int64(size)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


@functools.cache
def noise():
    """16 MiB that do not compress."""
    return random.Random(1).randbytes(16 * MIB)


@functools.cache
def log_lines():
    """16 MiB of a log file, which compress to a fifth or so."""
    rng = random.Random(2)
    lines, size = [], 0
    while size < 16 * MIB:
        line = ("2026-03-%02d %02d:%02d:%02d.%03d host%d app[%d]: request "
                "%08x from 10.0.%d.%d took %d ms, status %d\n" % (
                    rng.randrange(1, 29), rng.randrange(24),
                    rng.randrange(60), rng.randrange(60),
                    rng.randrange(1000), rng.randrange(9),
                    rng.randrange(32768), rng.getrandbits(32),
                    rng.randrange(256), rng.randrange(256),
                    rng.randrange(500), rng.choice((200, 200, 304, 404))))
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()[:16 * MIB]


def fill(f, start, end, data):
    """[start, end) of F with DATA, over and over."""
    f.seek(start)
    while start < end:
        n = min(len(data), end - start)
        f.write(data[:n])
        start += n


def complete(make):
    """A decorator: MAKE writes a file, which has its name only when it is
    complete; not again if it is there.
    """
    @functools.cached_property
    @functools.wraps(make)
    def path(self):
        final = os.path.join(self.dir, make.__name__.replace("_", "."))
        if not os.path.exists(final):
            print("making %s" % final, file=sys.stderr)
            root, end = os.path.splitext(final)
            new = root + "-new" + end
            make(self, new)
            os.rename(new, final)
        return final
    return path


class Inputs:
    def __init__(self, folder, size, data, guest, nbdlift):
        """GUEST is the raw disk of a guest, or None for none."""
        self.dir, self.size, self.data = folder, size, data
        self.guest, self.nbdlift = guest, nbdlift
        os.makedirs(folder, exist_ok=True)

    @complete
    def disk_raw(self, new):
        """The truth: a disk of SIZE with about DATA, the rest holes."""
        if self.guest:
            run("cp", "--sparse=always", self.guest, new)
            self.add_files(new)
            os.truncate(new, self.size)
            return
        # areas of up to 4 MiB, spread over the disk
        area = min(4 * MIB, self.data // 4)
        count = self.data // area
        with open(new, "wb") as f:
            f.truncate(self.size)
            for n in range(count):
                start = n * (self.size // count)
                fill(f, start, start + area,
                     noise() if n % 2 else log_lines())

    def add_files(self, disk):
        """Log files and noise in the guest's root file system, until the
        disk has the data that it should have."""
        table = json.loads(run("sfdisk", "--json", disk,
                               stdout=subprocess.PIPE).stdout)
        root = table["partitiontable"]["partitions"][-1]["start"] * 512
        missing = self.data - os.stat(disk).st_blocks * 512
        count = max(0, missing) // (64 * MIB)
        for n in range(count):
            file = os.path.join(self.dir, "file")
            with open(file, "wb") as f:
                fill(f, 0, 64 * MIB, noise() if n % 2 else log_lines())
            run("debugfs", "-w", "-R", "write %s /srv/bench%d" % (file, n),
                "%s?offset=%d" % (disk, root), stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL)
            os.unlink(file)

    @complete
    def flat_raw(self, new):
        """As much data as the disk has, without holes: what an ESXi host
        has of a thick disk."""
        with open(new, "wb") as f:
            fill(f, 0, self.data, noise())

    @complete
    def dense_raw(self, new):
        """The same disk with data where it has holes."""
        run("cp", "--sparse=always", self.disk_raw, new)
        with open(new, "r+b") as f:
            end = 0
            for start, stop in [*data_ranges(f.fileno(), self.size),
                                (self.size, self.size)]:
                middle = (end + start) // 2
                fill(f, end, middle, noise())
                fill(f, middle, start, log_lines())
                end = stop

    @complete
    def bench_ova(self, new):
        run(sys.executable, MAKE_OVA, "--name", "demo", new, self.disk_raw)

    @complete
    def big_ova(self, new):
        """2 TiB with 64 MiB of data."""
        raw = os.path.join(self.dir, "big.raw")
        try:
            with open(raw, "wb") as f:
                f.truncate(BIG_SIZE)
                for n in range(64):
                    start = n * (BIG_SIZE // 64)
                    fill(f, start, start + MIB, log_lines())
                fill(f, 0, MIB, bytes([BIG_BYTE]) * MIB)
            run(sys.executable, MAKE_OVA, "--name", "big", new, raw)
        finally:
            os.unlink(raw)

    @complete
    def base_digest(self, new):
        """What a copy of DISK_RAW leaves for the delta copies."""
        target = os.path.join(self.dir, "base.raw")
        run("nbdkit", "-r", "-U", "-", "file", self.disk_raw, "--run",
            '"$nbdlift" copy --digest "$new" "$uri" "$target"',
            env=dict(os.environ, nbdlift=self.nbdlift, new=new,
                     target=target), stdout=sys.stderr)
        os.unlink(target)

    # What changes between two copies.

    def changed(self, fraction):
        """(start, length) of what has changed, in no order: runs of 64 KiB,
        256 KiB and 1 MiB at random places.  A greater fraction has those
        of a smaller one, too."""
        slots = list(range(self.size // MIB))
        random.Random(3).shuffle(slots)
        runs, left = [], int(self.size * fraction)
        for n, slot in enumerate(slots):
            if left <= 0:
                break
            runs.append((slot * MIB, RUNS[n % len(RUNS)]))
            left -= runs[-1][1]
        return runs

    def later_raw(self, fraction):
        """The disk after FRACTION of it has changed.  Every eighth run has
        become a hole."""
        path = os.path.join(self.dir, "later-%g.raw" % fraction)
        if os.path.exists(path):
            return path
        print("making %s" % path, file=sys.stderr)
        run("cp", "--sparse=always", self.disk_raw, path + ".new")
        with open(path + ".new", "r+b") as f:
            for n, (start, length) in enumerate(self.changed(fraction)):
                if n % 8 != 7:
                    text = noise() if n % 2 else log_lines()
                    at = n * MIB % len(text)
                    fill(f, start, start + length, text[at:at + length])
        with open(path + ".new", "r+b") as f:
            for start, length in self.changed(fraction)[7::8]:
                punch_hole(f.fileno(), start, length)
        os.rename(path + ".new", path)
        return path

    def extent_list(self, fraction):
        """For nbdkit's extentlist filter: data and HOLE|ZERO where the
        disk has changed, HOLE alone elsewhere."""
        path = os.path.join(self.dir, "extents-%g" % fraction)
        changed = sorted((*r, "hole,zero" if n % 8 == 7 else "")
                         for n, r in enumerate(self.changed(fraction)))
        end = 0
        with open(path, "w") as f:
            for start, length, kind in [*changed, (self.size, 0, "")]:
                if end < start:
                    f.write("%d %d hole\n" % (end, start - end))
                if length > 0:
                    f.write("%d %d %s\n" % (start, length, kind))
                end = start + length
        return path

    def restore(self, path):
        """PATH, the disk of any fraction, becomes DISK_RAW again."""
        with open(self.disk_raw, "rb", 0) as old, open(path, "r+b", 0) as f:
            for start, length in self.changed(max(FRACTIONS)):
                block = os.pread(old.fileno(), length, start)
                if any(block):
                    os.pwrite(f.fileno(), block, start)
                else:
                    punch_hole(f.fileno(), start, length)


def ova_member(ova):
    """(name, offset, size) of the first VMDK of the package."""
    with tarfile.open(ova) as tar:
        m = next(m for m in tar if m.name.endswith(".vmdk"))
        return m.name, m.offset_data, m.size
