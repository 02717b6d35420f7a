#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The OVA path against its peers: an OVA to a raw disk.

usage: ova.py BUILD [--rounds N] [--size MIB] [--data MIB] [--dir DIR]

Every round runs each case once, in turn, so that a neighbour's load falls
on all of them.  Each result is compared with the disk that the OVA was
made of.  CPU is that of all processes a case starts, servers too.
"""

import argparse
import ctypes
import hashlib
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PLAN = os.path.join(TOP, "examples", "ova", "plan.yaml")
PR_SET_CHILD_SUBREAPER = 36


def make_disk(path, size, data):
    """Half of the data is noise, half text; the rest are holes."""
    with open(path, "wb") as f:
        f.truncate(size)
        step = 4 << 20
        used = range(0, data, step)
        for n, _ in enumerate(used):
            # spread over the disk
            f.seek(n * (size // len(used)) // step * step)
            if n % 2:
                f.write(hashlib.shake_256(b"%d" % n).digest(step))
            else:
                text = b"".join(b"%d: line %d of a log file\n" % (n, i)
                                for i in range(step // 24))
                f.write(text[:step])


class Bench:
    def __init__(self, args):
        self.dir = args.dir
        self.raw = os.path.join(self.dir, "disk.raw")
        self.ova = os.path.join(self.dir, "bench.ova")
        self.out = os.path.join(self.dir, "out.raw")
        self.plugin = os.path.join(args.build, "plugins",
                                   "nbdkit-ova-plugin.so")
        self.nbdlift = os.path.join(args.build, "nbdlift")
        self.plan = os.path.join(self.dir, "plan.yaml")

    def prepare(self, size, data):
        make_disk(self.raw, size, data)
        subprocess.run([sys.executable,
                        os.path.join(TOP, "tests/tools/make-ova.py"),
                        "--name", "demo", self.ova, self.raw], check=True)
        with tarfile.open(self.ova) as tar:
            member = [m for m in tar if m.name.endswith(".vmdk")][0]
        self.member, self.offset, self.size = \
            member.name, member.offset_data, member.size
        with open(PLAN) as f:
            text = f.read().replace("/srv/ova", self.ova)
        # The guest is not one: only the copy is measured.
        text = text.replace("\n  vms:", "\n  skipGuestConversion: true\n  vms:")
        with open(self.plan, "w") as f:
            f.write(text)

    # The cases: each leaves the raw disk in self.out or says where.

    def plugin_nbdcopy(self):
        self.shell("nbdkit -r -U - $plugin $ova "
                   "--run 'nbdcopy \"$uri\" '$out")

    def plugin_qemu_img(self):
        self.shell("nbdkit -r -U - $plugin $ova --run "
                   "'qemu-img convert -f raw -O raw \"$uri\" '$out")

    def nbdlift_run(self):
        self.shell("$nbdlift run -q $plan --output $dir/o")
        for folder, _, files in os.walk(os.path.join(self.dir, "o")):
            if "disk.img" in files:
                return os.path.join(folder, "disk.img")
        raise RuntimeError("nbdlift run left no disk")

    def qemu_img(self):
        self.shell("qemu-img convert -O raw "
                   "'json:{\"driver\":\"vmdk\",\"file\":{\"driver\":\"raw\","
                   "\"offset\":'$offset',\"size\":'$size',\"file\":"
                   "{\"driver\":\"file\",\"filename\":\"'$ova'\"}}}' $out")

    def tar_qemu_img(self):
        self.shell("tar -C $dir -xf $ova $member && "
                   "qemu-img convert -f vmdk -O raw $dir/$member $out && "
                   "rm $dir/$member")

    def nbdkit_tar_qemu_img(self):
        self.shell("nbdkit -r -U - file $ova --filter=tar "
                   "tar-entry=$member --run "
                   "'qemu-img convert -f vmdk -O raw \"$uri\" '$out")

    def qemu_nbd_nbdcopy(self):
        self.shell("nbdcopy -- [ qemu-nbd -r --image-opts "
                   "driver=vmdk,file.driver=raw,file.offset=$offset,"
                   "file.size=$size,file.file.driver=file,"
                   "file.file.filename=$ova ] $out")

    def shell(self, script):
        env = dict(os.environ, dir=self.dir, plugin=self.plugin,
                   ova=self.ova, out=self.out, plan=self.plan,
                   nbdlift=self.nbdlift, member=self.member,
                   offset=str(self.offset), size=str(self.size))
        p = subprocess.Popen(["sh", "-ec", script], env=env)
        self.reap(p)
        if p.returncode != 0:
            raise RuntimeError("failed: " + script)

    @staticmethod
    def reap(p):
        """Wait for P and for what it has left to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            if pid == p.pid:
                p.returncode = os.waitstatus_to_exitcode(status)

    def measure(self, case):
        for left in (self.out, os.path.join(self.dir, "o")):
            if os.path.isdir(left):
                shutil.rmtree(left)
            elif os.path.exists(left):
                os.unlink(left)
        os.sync()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        out = case() or self.out
        wall = time.monotonic() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = (after.ru_utime + after.ru_stime
               - before.ru_utime - before.ru_stime)
        subprocess.run(["cmp", out, self.raw], check=True)
        return wall, cpu


CASES = [
    ("`qemu-img convert`, the member in place", Bench.qemu_img),
    ("`tar x`, then `qemu-img convert`", Bench.tar_qemu_img),
    ("nbdkit file + tar filter, `qemu-img convert`",
     Bench.nbdkit_tar_qemu_img),
    ("`qemu-nbd`, `nbdcopy` (the way of virt-v2v)", Bench.qemu_nbd_nbdcopy),
    ("**nbdkit ova**, `qemu-img convert`", Bench.plugin_qemu_img),
    ("**nbdkit ova**, `nbdcopy`", Bench.plugin_nbdcopy),
    ("**nbdlift run** (checks the manifest, keeps digests, syncs)",
     Bench.nbdlift_run),
]


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    return "%s, %d processors, Linux %s" % (
        model, os.cpu_count(), platform.release().split("-")[0])


def figures(values):
    return "%.2f (%.2f-%.2f)" % (statistics.median(values), min(values),
                                 max(values))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--size", type=int, default=4096)
    p.add_argument("--data", type=int, default=1024)
    p.add_argument("--dir")
    args = p.parse_args()
    args.build = os.path.realpath(args.build)
    args.dir = args.dir or os.path.join(args.build, "bench")
    os.makedirs(args.dir, exist_ok=True)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    bench = Bench(args)
    bench.prepare(args.size << 20, args.data << 20)
    results = {name: [] for name, _ in CASES}
    for n in range(args.rounds):
        for name, case in CASES:
            results[name].append(
                bench.measure(case.__get__(bench)))
            print("round %d: %s: %.2f s" % (n + 1, name,
                                            results[name][-1][0]),
                  file=sys.stderr)

    base = statistics.median(w for w, _ in results[CASES[0][0]])
    print("%d MiB disk with %d MiB of data, OVA of %d MiB; %d rounds, "
          "median (least-most); %s; load %.1f\n" % (
              args.size, args.data, os.path.getsize(bench.ova) >> 20,
              args.rounds, machine(), os.getloadavg()[0]))
    print("| OVA to raw disk | wall s | CPU s | speed |")
    print("|---|---|---|---|")
    for name, _ in CASES:
        walls, cpus = zip(*results[name])
        print("| %s | %s | %s | %.1f |" % (
            name, figures(walls), figures(cpus),
            base / statistics.median(walls)))
    shutil.rmtree(args.dir)


if __name__ == "__main__":
    main()
