# SPDX-License-Identifier: BSD-3-Clause
"""The table, the targets and the line about the machine, as markdown."""

import os
import platform
import re
import statistics
import subprocess
import sys

from cases import BOUND, OURS, PEER

VERSIONS = (
    ("nbdkit", ("nbdkit", "--version")),
    ("libnbd", ("nbdcopy", "--version")),
    ("qemu", ("qemu-img", "--version")),
    ("virt-v2v", ("virt-v2v", "--version")),
)


def processor():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def version(argv):
    try:
        text = subprocess.run(argv, stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        return re.search(r"\d+\.[\d.]*\d", text).group()
    except (OSError, subprocess.CalledProcessError, AttributeError):
        return "missing"


def file_system(path):
    try:
        return subprocess.run(("findmnt", "-n", "-o", "FSTYPE", "-T", path),
                              stdout=subprocess.PIPE, text=True, check=True
                              ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def spread(values, form="%.2f"):
    if len(values) == 1:
        return form % values[0]
    return (form + " (" + form + "-" + form + ")") % (
        statistics.median(values), min(values), max(values))


class Row:
    def __init__(self, group, case, place):
        self.group, self.case, self.place = group, case, place
        self.results = []

    def values(self, key):
        return [r[key] for r in self.results]

    def median(self, key):
        return statistics.median(self.values(key))


class Table:
    def __init__(self, args):
        self.args = args
        self.load = os.getloadavg()[0]
        self.file_system = ""
        self.rows = {}
        self.notes, self.failures = [], []

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            print(text, file=sys.stderr)

    def failure(self, what, error):
        text = "FAILED: %s: %s" % (what, error)
        self.failures.append(text)
        print(text, file=sys.stderr)

    def add(self, group, case, place, result):
        self.file_system = self.file_system or file_system(self.args.dir)
        key = (group.title, place, case.name)
        self.rows.setdefault(key, Row(group, case, place)
                             ).results.append(result)

    def of(self, title, place, *kinds):
        return [r for (t, p, _), r in self.rows.items()
                if t == title and p == place and r.case.kind in kinds]

    def best_peer(self, title, place):
        return min(self.of(title, place, PEER), default=None,
                   key=lambda r: r.median("wall"))

    def header(self):
        a = self.args
        return ("%s, %d processors, %d MiB, Linux %s; %s.  "
                "%d rounds of a disk of %d MiB with %d MiB of data%s, "
                "target on %s; load %.1f at the start, %.1f at the end." % (
                    processor(), os.cpu_count(),
                    os.sysconf("SC_PHYS_PAGES") *
                    os.sysconf("SC_PAGE_SIZE") >> 20,
                    platform.release().split("-")[0],
                    ", ".join("%s %s" % (name, version(argv))
                              for name, argv in VERSIONS),
                    a.rounds, a.size, a.data,
                    ", a guest among it" if a.guest else "",
                    self.file_system or "nothing",
                    self.load, os.getloadavg()[0]))

    def print(self):
        print(self.header())
        print()
        print("| work | target | by | wall s | with fsync | CPU s | "
              "client CPU s | RSS MiB | speed |")
        print("|---|---|---|---|---|---|---|---|---|")
        order = {}
        for title, place, _ in self.rows:
            order.setdefault((title, place), None)
        for title, place in sorted(order, key=lambda k: [
                t for t, _ in order].index(k[0])):
            peer = self.best_peer(title, place)
            for row in self.of(title, place, OURS, PEER, BOUND):
                print(self.line(row, peer))
        for text in self.notes + self.failures:
            print("\n" + text)
        targets = list(self.targets())
        if targets:
            print()
            print("\n".join("- " + t for t in targets))

    def line(self, row, peer):
        name = row.case.name
        if row.case.kind == OURS:
            name = "**ours**: " + name
        elif row.case.kind == BOUND:
            name = "bound: " + name
        total = [r["wall"] + r["flush"] for r in row.results]
        speed = "%.2f" % (peer.median("wall") / row.median("wall")) \
            if peer else ""
        shared = row.group.serve is not None
        form = "%.3f" if row.case.expect else "%.2f"
        cpu = spread(row.values("cpu"), form)
        rss = "%.0f" % (row.median("rss") / (1 << 20))
        if row.case.phase:
            cpu = rss = ""      # they are those of the conversion too
        return "| %s | %s | %s | %s | %s | %s | %s | %s | %s |" % (
            row.group.title, "" if row.case.expect else row.place, name,
            spread(row.values("wall"), form),
            "" if row.case.expect else "%.2f" % statistics.median(total),
            cpu, spread(row.values("client"), form) if shared else "",
            rss, speed)

    # The targets: medians, and the least times, which a busy neighbour
    # changes least.

    def targets(self):
        for title, place in dict.fromkeys((t, p) for t, p, _ in self.rows):
            peer = self.best_peer(title, place)
            judged = [r for r in self.of(title, place, OURS)
                      if r.case.judged]
            if not judged or not peer:
                continue
            ours = judged[0]
            if title.startswith("delta"):
                for less, more in zip(judged, judged[1:]):
                    yield "%s: %.1f times the time of: %s" % (
                        more.case.name,
                        more.median("wall") / less.median("wall"),
                        less.case.name)
                continue
            where = "%s, %s" % (title, place)
            if title.startswith("OVA (stream"):
                yield judge(where + ": speed against the best peer, "
                            + peer.case.name, peer, ours, "wall",
                            at_least=3.5)
                for bound in self.of(title, place, BOUND):
                    yield judge("%s: time against '%s'" % (
                        where, bound.case.name), ours, bound, "wall",
                        at_most=1.15)
            elif title.startswith("vSphere"):
                yield from self.vsphere_targets(where, title, place, ours)
            elif title.startswith("raw over NBD"):
                copies = [r for r in self.of(title, place, PEER)
                          if "nbdcopy" in r.case.name]
                if not copies:
                    continue
                best = min(copies, key=lambda r: r.median("wall"))
                what = "%s: %%s against the best %s" % (where,
                                                        best.case.name)
                yield judge(what % "time", ours, best, "wall",
                            at_most=0.85)
                yield judge(what % "client CPU", ours, best, "client",
                            at_most=0.70)
                yield judge(what % "CPU with the server's", ours, best,
                            "cpu", at_most=0.70)


    def vsphere_targets(self, where, title, place, ours):
        peers = self.of(title, place, PEER)
        tuned = [r for r in peers if r.case.name.startswith("nbdkit curl")]
        one = [r for r in peers if r.case.name.startswith("one `curl`")]
        four = [r for r in peers if r.case.name.startswith("4 `curl`")]
        shaped = "50 MB/s" in title or "away" in title
        if shaped and tuned:
            best = min(tuned, key=lambda r: r.median("wall"))
            yield judge(where + ": speed against the best nbdkit curl",
                        best, ours, "wall", at_least=3)
        if shaped and one:
            yield judge(where + ": speed against one curl", one[0], ours,
                        "wall", at_least=2)
        if not shaped and four:
            yield judge(where + ": time against 4 curls", ours, four[0],
                        "wall", at_most=1)
            yield judge(where + ": client CPU against 4 curls", ours,
                        four[0], "client", at_most=1)


def judge(what, numerator, denominator, key, at_least=None, at_most=None):
    medians = numerator.median(key) / denominator.median(key)
    least = min(numerator.values(key)) / min(denominator.values(key))
    met = medians >= at_least if at_least else medians <= at_most
    return "%s: %.2f by medians, %.2f by least; target %s %.2f: %s" % (
        what, medians, least, "at least" if at_least else "at most",
        at_least or at_most, "met" if met else "MISSED")
