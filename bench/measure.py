# SPDX-License-Identifier: BSD-3-Clause
"""Time one shell script: wall and CPU seconds, peak memory.

The script runs under a supervisor of its own, a child of the bench that
takes over all orphans (PR_SET_CHILD_SUBREAPER), so that the time ends when
the last process that the script started has ended, and the CPU seconds are
those of all of them, to the microsecond.  Memory is the greatest sum of
the resident sizes of these processes (/proc/PID/statm), looked at every
10 ms, and at first every millisecond.  Pages that two of them share count twice, as in ps.  (ru_maxrss is
of no use: it begins with the size of the Python process that forked.)
"""

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import subprocess
import threading
import time

# linux/prctl.h, linux/seccomp.h, asm/unistd.h
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
IO_URING_SETUP = 425
SAMPLE_SECONDS = 0.01
# No case takes so long, unless it hangs.
LIMIT_SECONDS = 900
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """A script that failed, or whose result is not right."""


def descendants(pid):
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                for child in f.read().split():
                    found.append(int(child))
                    found += descendants(int(child))
    except OSError:
        pass  # it has ended
    return found


def resident(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/statm" % pid) as f:
                total += int(f.read().split()[1]) * PAGE
        except OSError:
            pass
    return total


def cpu_of(pids):
    """CPU seconds of running processes, e.g. of servers."""
    total = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Sampler(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0
        self.ended = threading.Event()

    def run(self):
        me, start = os.getpid(), time.monotonic()
        while not self.ended.wait(
                SAMPLE_SECONDS if time.monotonic() > start + 0.1 else 0.001):
            self.peak = max(self.peak, resident(descendants(me)))


def reap_all(first):
    """Wait for FIRST and for all that it left to us; FIRST's status."""
    status = None
    while True:
        try:
            pid, s = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        if pid == first:
            status = os.waitstatus_to_exitcode(s)


def forbid_io_uring():
    """As the seccomp profiles of container runtimes do: io_uring_setup
    fails with EPERM.  A filter of BPF (linux/filter.h, linux/seccomp.h).
    """
    code = b"".join(struct.pack("=HBBI", *i) for i in (
        (0x20, 0, 0, 0),                        # load seccomp_data.nr
        (0x15, 0, 1, IO_URING_SETUP),           # if it is that call
        (0x06, 0, 0, 0x00050000 | errno.EPERM),  # SECCOMP_RET_ERRNO
        (0x06, 0, 0, 0x7fff0000)))              # SECCOMP_RET_ALLOW
    code = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(
        struct.pack("@HP", 4, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def supervise(script, env, log, result_fd, no_io_uring):
    """In the supervisor: run SCRIPT, report on RESULT_FD."""
    if no_io_uring:
        forbid_io_uring()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    sampler = Sampler()
    with open(log, "wb") as out:
        start = time.monotonic()
        p = subprocess.Popen(["sh", "-ec", script], env=env, stdout=out,
                             stderr=out, stdin=subprocess.DEVNULL)
        sampler.start()
        status = reap_all(p.pid)
        wall = time.monotonic() - start
    p.returncode = status
    sampler.ended.set()
    sampler.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.write(result_fd, json.dumps({
        "status": status, "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "rss": sampler.peak}).encode())


def run(script, env, log, servers=(), no_io_uring=False):
    """Run SCRIPT, its output into the file LOG; SERVERS are the processes
    that work for it and were there before.  A dictionary of seconds and
    bytes: wall, cpu (with that of the servers), client (without), rss
    (without).
    """
    before = cpu_of(servers)
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            supervise(script, env, log, write_fd, no_io_uring)
        finally:
            os._exit(0)
    os.close(write_fd)
    old = signal.signal(signal.SIGALRM,
                        lambda *_: os.killpg(pid, signal.SIGKILL))
    signal.alarm(LIMIT_SECONDS)
    try:
        with open(read_fd, "rb") as f:
            text = f.read()
    except BaseException:
        os.killpg(pid, signal.SIGKILL)
        raise
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        os.waitpid(pid, 0)
    result = json.loads(text) if text else {"status": "none"}
    if result["status"] != 0:
        with open(log, errors="replace") as f:
            raise Failed("status %s: %s" % (result["status"],
                                            f.read()[-2000:].strip()))
    result["client"] = result["cpu"]
    result["cpu"] += cpu_of(servers) - before
    return result


def flush(path):
    """Seconds until PATH is on stable storage."""
    start = time.monotonic()
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return time.monotonic() - start


def data_ranges(fd, size):
    """(start, end) of what is not a hole."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end


def merge(ranges):
    merged = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


def compare(path, truth):
    """Fail unless PATH has all bytes of the file TRUTH and nothing else.
    What is a hole in both is zero in both and not read.
    """
    step = 4 << 20
    with open(path, "rb", 0) as a, open(truth, "rb", 0) as b:
        size = os.fstat(b.fileno()).st_size
        if os.fstat(a.fileno()).st_size != size:
            raise Failed("%s: %d bytes instead of %d" % (
                path, os.fstat(a.fileno()).st_size, size))
        ranges = merge([*data_ranges(a.fileno(), size),
                        *data_ranges(b.fileno(), size)])
        x, y = bytearray(step), bytearray(step)
        for start, end in ranges:
            for offset in range(start, end, step):
                n = min(step, end - offset)
                got = os.preadv(a.fileno(), [memoryview(x)[:n]], offset)
                want = os.preadv(b.fileno(), [memoryview(y)[:n]], offset)
                if got != n or want != n:
                    raise Failed("%s: short read at %d" % (path, offset))
                # what is behind n is the same or is compared again
                if memoryview(x)[:n].tobytes() != memoryview(y)[:n].tobytes():
                    at = next(i for i in range(n) if x[i] != y[i])
                    raise Failed("%s: wrong from offset %d on" % (
                        path, offset + at))
