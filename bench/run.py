#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Measure nbdlift against its peers; print one table.

usage: run.py BUILD [options] [PART...]     (see docs/performance.md)

Every round runs each case of a group once, in turn, so that a neighbour's
load falls on all of them; each round in another order.  Each result is compared with what it must be;
that, and bringing the target back to its first state, is not timed.
"""

import argparse
import contextlib
import glob
import os
import random
import re
import shutil
import subprocess
import sys

import measure
import report
from cases import DEFAULT_PARTS, PARTS
from inputs import MIB, Inputs, run
from servers import NoServer

MEMORY_DIR = "/dev/shm"


def parse_args():
    p = argparse.ArgumentParser(usage="run.py BUILD [options] [PART...]",
                                description="parts: " + " ".join(PARTS))
    p.add_argument("build")
    p.add_argument("parts", nargs="*", metavar="PART",
                   help="default: all but v2v, which takes minutes a round")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--size", type=int, default=4096, help="MiB of the disk")
    p.add_argument("--data", type=int, default=1024, help="MiB of data")
    p.add_argument("--guest", help="raw disk that the data begin with; "
                   "smaller than --size")
    p.add_argument("--dir", help="where the files are; default BUILD/bench/"
                   "data.  Its file system is what is measured")
    p.add_argument("--only", default="", metavar="TEXT",
                   help="only the groups with TEXT in their titles")
    p.add_argument("--no-tmpfs", action="store_true",
                   help="leave out the targets on " + MEMORY_DIR)
    p.add_argument("--keep", action="store_true",
                   help="keep what the copies are made of, for the next run")
    p.add_argument("--smoke", action="store_true",
                   help="does the bench work?  one round, tiny, no guest")
    a = p.parse_intermixed_args()
    if a.smoke:
        a.rounds, a.size, a.data, a.guest = 1, 64, 16, None
        a.no_tmpfs = True
    for part in a.parts:
        if part not in PARTS:
            p.error("no part %s; there are: %s" % (part, " ".join(PARTS)))
    a.parts = a.parts or list(DEFAULT_PARTS)
    a.build = os.path.realpath(a.build)
    a.dir = os.path.realpath(a.dir or os.path.join(a.build, "bench", "data"))
    return a


class Place:
    """A file system that targets are on."""

    def __init__(self, name, folder):
        self.name, self.dir = name, folder
        self.out = os.path.join(folder, "out.raw")
        self.tmp = os.path.join(folder, "tmp")

    def clean(self, keep_out=False):
        shutil.rmtree(self.tmp, ignore_errors=True)
        os.makedirs(self.tmp)
        if not keep_out and os.path.exists(self.out):
            os.unlink(self.out)


class Bench:
    def __init__(self, args):
        self.args = args
        self.tools = {
            "nbdlift": os.path.join(args.build, "nbdlift"),
            "plugin": os.path.join(args.build, "plugins",
                                   "nbdkit-ova-plugin.so"),
            "vsphere": os.path.join(args.build, "plugins",
                                    "nbdkit-vsphere-plugin.so"),
            "vcsim": os.path.join(args.build, "vcsim"),
            "tundelay": os.path.join(args.build, "bench", "tundelay"),
            "inflate": os.path.join(args.build, "bench", "inflate")}
        self.inputs = Inputs(args.dir, args.size * MIB, args.data * MIB,
                             args.guest, self.tools["nbdlift"])
        self.log = os.path.join(args.dir, "log")
        self.table = report.Table(args)

    def places(self, stack, group):
        places = [Place("disk", self.args.dir)]
        if group.memory and not self.args.no_tmpfs:
            why = no_room_in_memory(group.memory)
            if why:
                self.table.note("no targets on tmpfs for '%s': %s" % (
                    group.title, why))
            else:
                folder = os.path.join(MEMORY_DIR, "bench-%d" % os.getpid())
                os.makedirs(folder, exist_ok=True)
                stack.callback(shutil.rmtree, folder)
                places.append(Place("tmpfs", folder))
        return places

    def cases_of(self, group):
        """Those whose programs are there."""
        for case in group.cases:
            missing = [n for n in case.needs if not shutil.which(n)]
            if missing:
                self.table.note("left out of '%s': %s (%s is missing)" % (
                    group.title, case.name, ", ".join(missing)))
            else:
                yield case

    def try_group(self, group):
        try:
            self.measure_group(group)
        except NoServer as e:
            self.table.note("left out: '%s': %s" % (group.title, e))

    def measure_group(self, group):
        with contextlib.ExitStack() as stack:
            env = dict(os.environ, **self.tools, **group.env)
            pids = []
            if group.serve:
                more, pids = stack.enter_context(group.serve())
                env.update(more)
            places = self.places(stack, group)
            runs = [(place, case) for place in places
                    for case in self.cases_of(group)
                    if place.name == "disk" or case.memory]
            for n in range(self.args.rounds):
                for path in group.inputs:
                    read_all(path)
                # who comes after whom can matter
                random.Random(n).shuffle(runs)
                # one that fails is not tried again
                runs = [(place, case) for place, case in runs
                        if self.try_one(n, group, case, place, env, pids)]
            for place in places:
                place.clean()

    def try_one(self, n, group, case, place, env, pids):
        try:
            result = self.measure(group, case, place, env, pids)
        except measure.Failed as e:
            self.table.failure("'%s': %s" % (group.title, case.name), e)
            return False
        self.table.add(group, case, place.name, result)
        print("round %d, %s, %s: %s: %.2f s" % (
            n + 1, group.title, place.name, case.name, result["wall"]),
              file=sys.stderr)
        return True

    def measure(self, group, case, place, env, pids):
        self.reset(group, place)
        result = measure.run(case.script,
                             dict(env, out=place.out, tmp=place.tmp),
                             self.log, pids, case.no_io_uring)
        result["flush"] = 0.0
        if case.expect:
            with open(self.log, errors="replace") as f:
                text = f.read()
            if not re.search(case.expect, text):
                raise measure.Failed("'%s' is not in: %s" % (case.expect,
                                                             text))
            return result
        out = place.out
        if case.result:
            found = glob.glob(os.path.join(place.tmp, case.result))
            if len(found) != 1:
                raise measure.Failed("no " + case.result)
            out = found[0]
        result["flush"] = measure.flush(out)
        if case.phase:
            result["wall"] = phase_seconds(self.log, *case.phase)
            if os.path.getsize(out) != self.inputs.size:
                raise measure.Failed("wrong size")
            return result
        measure.compare(out, case.truth or group.truth)
        return result

    def reset(self, group, place):
        """The target as it is before a run, and an idle disk."""
        place.clean(keep_out=group.prepare is not None)
        if group.prepare:
            try:
                group.prepare(place.out)
                measure.compare(place.out, self.inputs.disk_raw)
            except (OSError, measure.Failed):
                # the first time, or after a failure
                run("cp", "--sparse=always", self.inputs.disk_raw, place.out)
        if place.name == "tmpfs":
            touch_memory(place.tmp, group.memory)
        os.sync()


def touch_memory(folder, size):
    """Memory that a virtual machine has not used for long can be slow to
    get from its host; whoever comes first would pay for all."""
    path = os.path.join(folder, "memory")
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, size)
    os.unlink(path)


def phase_seconds(log, first, last):
    """Between two of virt-v2v's lines, "[ SECONDS] WHAT"."""
    with open(log, errors="replace") as f:
        text = f.read()
    found = [re.search(r"^\[ *([0-9.]+)\] " + what, text, re.M)
             for what in (first, last)]
    if not all(found):
        raise measure.Failed("no times in: " + text)
    return float(found[1][1]) - float(found[0][1])


def no_room_in_memory(size):
    """Why not, or "".  As much again is for the input's page cache."""
    try:
        v = os.statvfs(MEMORY_DIR)
    except OSError:
        return "there is no " + MEMORY_DIR
    with open("/proc/meminfo") as f:
        available = next(int(line.split()[1]) * 1024 for line in f
                         if line.startswith("MemAvailable"))
    room = min(v.f_bavail * v.f_frsize, available - size)
    if room < size + (1 << 30):
        return "%d MiB free, %d needed" % (room // MIB,
                                           (size + (1 << 30)) // MIB)
    return ""


def read_all(path):
    """Into the page cache."""
    buffer = bytearray(4 * MIB)
    with open(path, "rb", 0) as f:
        size = os.fstat(f.fileno()).st_size
        for start, end in measure.data_ranges(f.fileno(), size):
            f.seek(start)
            while f.tell() < end and f.readinto(buffer):
                pass


def main():
    args = parse_args()
    bench = Bench(args)
    try:
        for part in args.parts:
            try:
                for group in PARTS[part](bench.inputs, bench.tools):
                    if args.only in group.title:
                        bench.try_group(group)
            except (OSError, subprocess.CalledProcessError) as e:
                bench.table.failure("part '%s'" % part, e)
        bench.table.print()
    finally:
        if not args.keep:
            shutil.rmtree(args.dir, ignore_errors=True)
    return 1 if bench.table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
