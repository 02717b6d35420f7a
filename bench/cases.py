# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: groups of cases, ours, the peers' and the bounds.

A case is a shell script that leaves a disk in $out, or prints something.
What the scripts use is in the environment: see Group.env and the servers.
"""

import contextlib
import dataclasses
import glob
import os
import shlex
import subprocess
import typing

from inputs import BIG_BYTE, BIG_SIZE, FRACTIONS, TOP, ova_member
from servers import delay_line, file_server, nfs_server, vcenter

OURS, PEER, BOUND = "ours", "peer", "bound"
KVM_WORKS = os.path.join(TOP, "tests", "tools", "kvm-works")
COPY = "$nbdlift copy -q --journal $tmp/journal --digest $tmp/digest"


@dataclasses.dataclass
class Case:
    name: str
    kind: str
    script: str
    needs: tuple = ()           # programs
    truth: str = ""             # what $out must equal; "": that of the group
    expect: str = ""            # instead: what the script must print
    result: str = ""            # a glob below $tmp, when it is not $out
    # the time is that between two lines of virt-v2v, and the disk is not
    # the truth any more; only its size is looked at
    phase: tuple = ()
    no_io_uring: bool = False   # as under a container's seccomp profile
    memory: bool = False        # measured with the target on tmpfs, too
    judged: bool = False        # the one that the targets are about


@dataclasses.dataclass
class Group:
    name: str                   # of the part, for BENCH=
    title: str
    cases: list
    env: dict
    inputs: tuple = ()          # files to have in the page cache
    truth: str = ""
    # start the servers: a context manager, giving (environment, pids)
    serve: typing.Callable = None
    # before each run: given $out
    prepare: typing.Callable = None
    # bytes that a target on tmpfs takes; 0: not measured there
    memory: int = 0


def ova_env(ova, inputs):
    """$vmdk and the path of the OVA are the --image-opts with which qemu
    reads the VMDK in its place."""
    member, offset, size = ova_member(ova)
    return {"ova": ova, "member": member, "offset": str(offset),
            "size": str(size), "virtual": str(inputs.size),
            "vmdk": "driver=vmdk,file.driver=raw,file.offset=%d,"
                    "file.size=%d,file.file.driver=file,"
                    "file.file.filename=" % (offset, size)}


def ova_group(inputs, tools):
    # As nbdkit-ova-plugin(1) advises, and as nbdlift run does.
    export = "nbdkit -r -U - --threads=2 $plugin $ova --run "
    cases = [
        Case("`nbdlift copy` over nbdkit ova, journal and digest", OURS,
             export + quote(COPY + ' "$uri" $out'), memory=True,
             judged=True),
        Case("`nbdlift run`: that, and the OVA's manifest is checked", OURS,
             "$nbdlift run -q $plan --output $tmp/run",
             result="run/*/*/disk.img"),
        Case("nbdkit ova, `nbdcopy`", OURS,
             export + quote('nbdcopy "$uri" $out'), memory=True),
        Case("nbdkit ova, `qemu-img convert`", OURS, export +
             quote('qemu-img convert -f raw -O raw "$uri" $out'),
             ("qemu-img",)),
        Case("`tar x`, then `qemu-img convert`", PEER,
             "tar -C $tmp -xf $ova $member; "
             "qemu-img convert -f vmdk -O raw $tmp/$member $out; "
             "rm $tmp/$member", ("qemu-img",)),
        Case("`qemu-img convert`, the member in place", PEER,
             "qemu-img convert --image-opts -O raw $vmdk$ova $out",
             ("qemu-img",), memory=True),
        Case("the same with `-W -m 16`", PEER,
             "qemu-img convert -W -m 16 --image-opts -O raw $vmdk$ova $out",
             ("qemu-img",)),
        Case("nbdkit file + tar filter, `qemu-img convert`", PEER,
             "nbdkit -r -U - --filter=tar file $ova tar-entry=$member --run "
             + quote('qemu-img convert -f vmdk -O raw "$uri" $out'),
             ("qemu-img",)),
        Case("the chain of `virt-v2v -i ova -o local`: `qemu-nbd`, "
             "`nbdcopy`, nbdkit file", PEER,
             "truncate -s $virtual $out; nbdkit -U - file $out --run " +
             quote("nbdcopy --request-size=262144 --requests=64 --flush -- "
                   '[ qemu-nbd -r --image-opts $vmdk$ova ] "$uri"'),
             ("qemu-nbd",)),
        Case("bare inflate and pwrite, two threads", BOUND,
             "$inflate $ova $offset $size $out", (tools["inflate"],),
             memory=True),
        Case("bare inflate and pwrite, two threads, fsync", BOUND,
             "$inflate $ova $offset $size $out fsync", (tools["inflate"],)),
    ]
    env = ova_env(inputs.bench_ova, inputs)
    env["plan"] = make_plan(inputs)
    return Group("ova", "OVA (streamOptimized) to raw", cases, env,
                 (inputs.bench_ova,), inputs.disk_raw,
                 memory=inputs.data + inputs.data // 4)


def make_plan(inputs):
    """The example, for our OVA.  What is in it is not converted: only the
    copy is measured."""
    with open(os.path.join(TOP, "examples", "ova", "plan.yaml")) as f:
        text = f.read().replace("/srv/ova", inputs.bench_ova)
    path = os.path.join(inputs.dir, "plan.yaml")
    with open(path, "w") as f:
        f.write(text.replace("\n  vms:",
                             "\n  skipGuestConversion: true\n  vms:"))
    return path


def v2v_group(inputs, tools):
    """Its conversion cannot be left out and takes minutes without KVM."""
    cases = [
        Case("`nbdlift copy` over nbdkit ova, journal and digest", OURS,
             "nbdkit -r -U - $plugin $ova --run "
             + quote(COPY + ' "$uri" $out')),
        Case("`virt-v2v -i ova -o local`, its copy phase", PEER,
             "virt-v2v -i ova $ova -o local -os $tmp", ("virt-v2v",),
             result="*-sda",
             phase=("Copying disk", "Creating output metadata"))]
    env = ova_env(inputs.bench_ova, inputs)
    if "LIBGUESTFS_BACKEND_SETTINGS" not in os.environ and \
            subprocess.run((KVM_WORKS,), check=False).returncode != 0:
        env["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    return Group("v2v", "OVA to raw, real virt-v2v", cases, env,
                 (inputs.bench_ova,), inputs.disk_raw)


def nfs_group(inputs, tools):
    export = "nbdkit -r -U - $plugin $url --run "
    cases = [
        Case("`nbdlift copy` over nbdkit ova, journal and digest", OURS,
             export + quote(COPY + ' "$uri" $out')),
        Case("nbdkit ova, `nbdcopy`", OURS,
             export + quote('nbdcopy "$uri" $out')),
        Case("`nfs-cp`, then `qemu-img convert` of the member in place",
             PEER, "nfs-cp $url $tmp/copy.ova; "
             "qemu-img convert --image-opts -O raw $vmdk$tmp/copy.ova $out; "
             "rm $tmp/copy.ova", ("qemu-img", "nfs-cp")),
    ]
    env = ova_env(inputs.bench_ova, inputs)
    return Group("nfs", "OVA on NFS to raw", cases, env,
                 (inputs.bench_ova,), inputs.disk_raw,
                 serve=lambda: nfs_server(inputs.dir, inputs.bench_ova))


def copy_cases():
    tuned = ("--request-size=1048576", "--request-size=2097152",
             "--request-size=1048576 --connections=2 --threads=2",
             "--request-size=1048576 --connections=8 --threads=4")
    return [
        Case("`nbdlift copy`, journal and digest", OURS,
             COPY + " $uri $out", memory=True, judged=True),
        Case("`nbdlift copy`, neither", OURS, "$nbdlift copy -q $uri $out"),
        Case("`nbdlift copy --cache=writeback`, journal and digest", OURS,
             COPY + " --cache=writeback $uri $out"),
        Case("`nbdlift copy`, journal and digest, io_uring forbidden",
             OURS, COPY + " $uri $out", no_io_uring=True),
        Case("`nbdcopy`", PEER, "nbdcopy $uri $out", memory=True),
        *[Case("`nbdcopy %s`" % t.replace("1048576", "1M")
               .replace("2097152", "2M"), PEER,
               "nbdcopy %s $uri $out" % t, memory="=2" in t.split()[0])
          for t in tuned],
        Case("`qemu-img convert -n -W -m 16`", PEER,
             "truncate -s $virtual $out; "
             "qemu-img convert -n -W -m 16 -f raw -O raw $uri $out",
             ("qemu-img",)),
    ]


def copy_groups(inputs, tools):
    groups = []
    for kind, path, size in (
            ("sparse", inputs.disk_raw, inputs.data + inputs.data // 4),
            ("dense", inputs.dense_raw, inputs.size)):
        groups.append(Group(
            "copy", "raw over NBD to raw, " + kind, copy_cases(),
            {"virtual": str(inputs.size)}, (path,), path,
            serve=lambda path=path: file_server({"uri": (path, "")}),
            memory=size))
    return groups


def delta_group(inputs, tools):
    later = {f: inputs.later_raw(f) for f in FRACTIONS}
    cases = []
    for n, f in enumerate(FRACTIONS):
        percent = "%g %%" % (f * 100)
        cases += [
            Case("`nbdlift copy --delta`, journal and digest, " + percent,
                 OURS, "cp $digest $tmp/digest; " + COPY +
                 " --delta $uri%d $out" % n, truth=later[f], judged=True),
            Case("`nbdlift copy --delta`, neither, " + percent, OURS,
                 "$nbdlift copy -q --delta $uri%d $out" % n, truth=later[f])]
    cases += [
        Case("`nbdcopy` of all", PEER, "nbdcopy $all $out",
             truth=later[0.01]),
        Case("`qemu-img convert -B`, `qemu-img commit`", PEER,
             "qemu-img convert -f raw -O qcow2 -B $out -F raw $all "
             "$tmp/delta.qcow2; qemu-img commit -q $tmp/delta.qcow2",
             ("qemu-img",), truth=later[0.01])]
    exports = {"uri%d" % n: (later[f], inputs.extent_list(f))
               for n, f in enumerate(FRACTIONS)}
    exports["all"] = (later[0.01], "")
    exports["base"] = (inputs.disk_raw, "")
    return Group("delta", "delta of a disk (peers: 1 % changed)", cases,
                 {"digest": inputs.base_digest},
                 (inputs.disk_raw, *later.values()),
                 serve=lambda: file_server(exports),
                 prepare=inputs.restore)


def open_groups(inputs, tools):
    export = "nbdkit -r -U - $plugin $ova --run "
    read = 'qemu-io -r -c "read -P %d 0 512" ' % BIG_BYTE
    env = ova_env(inputs.big_ova, inputs)
    first = [
        Case("nbdkit ova, `qemu-io`", OURS,
             export + quote(read + '-f raw "$uri"'), ("qemu-io",),
             expect="read 512/512 bytes"),
        Case("`qemu-io`, the member in place", PEER,
             read + "--image-opts $vmdk$ova", ("qemu-io",),
             expect="read 512/512 bytes")]
    listed = [
        Case("nbdkit ova, `nbdinfo --list`", OURS,
             export + quote('nbdinfo --list "$uri"'),
             expect="export-size: %d" % BIG_SIZE),
        Case("`qemu-img info`, the member in place", PEER,
             "qemu-img info --image-opts $vmdk$ova", ("qemu-img",),
             expect="%d bytes" % BIG_SIZE)]
    return [Group("open", "first byte of a 2 TiB OVA", first, env),
            Group("open", "`--list` of a 2 TiB OVA", listed, env)]


def vsphere_cases(size):
    ours = ("nbdkit -r -U - $vsphere url=$vc user=$user password=+$secret "
            "thumbprint=$thumbprint vm=vm --run ")
    curl = ("nbdkit -r -U - curl url=$file sslverify=false user=$user "
            "password=+$secret --run ")
    quarter = size // 4
    # dd only moves the place where curl will write.
    ranges = "; ".join(
        "(dd bs=1 seek=%d count=0 conv=notrunc status=none "
        "</dev/null; exec curl -ksS -K $curlrc -r %d-%d $file) "
        "1<>$out & p%d=$!" % (i * quarter, i * quarter,
                              (i + 1) * quarter - 1, i) for i in range(4))
    waits = "; ".join("wait $p%d" % i for i in range(4))
    qemu = [
        Case("`qemu-img convert -m 1`, its curl driver", PEER,
             "qemu-img convert -m 1 -O raw --object "
             "secret,id=s,file=$secret --image-opts driver=raw,"
             "file.driver=https,file.url=$file,file.sslverify=off,"
             "file.username=$user,file.password-secret=s,"
             "file.readahead=1048576,file.timeout=600 $out", ("qemu-img",))]
    if not glob.glob("/usr/lib/*/qemu/block-curl.so"):
        qemu = []
    return [
        Case("`nbdlift copy` over nbdkit vsphere, journal and digest", OURS,
             ours + quote(COPY + ' "$uri" $out'), judged=True),
        Case("`nbdlift run`", OURS,
             "$nbdlift run -q $plan --output $tmp/run",
             result="run/*/*/disk.img"),
        Case("nbdkit vsphere, `nbdcopy`", OURS,
             ours + quote('nbdcopy "$uri" $out')),
        Case("nbdkit curl, `nbdcopy`", PEER,
             curl + quote('nbdcopy "$uri" $out')),
        Case("nbdkit curl, `nbdcopy --request-size=4M --connections=4`",
             PEER, curl + quote("nbdcopy --request-size=4194304 "
                                '--connections=4 "$uri" $out')),
        Case("nbdkit retry + cow + curl, `nbdcopy` (as virt-v2v 2.2)", PEER,
             curl.replace("-U -", "-U - --filter=cow --filter=retry") +
             quote('nbdcopy "$uri" $out')),
        *qemu,
        Case("one `curl`", PEER,
             "curl -ksS -K $curlrc -o $out $file", ("curl",)),
        Case("4 `curl` at once, a quarter each", PEER,
             ": >$out; " + ranges + "; " + waits, ("curl",)),
    ]


def in_line(cases):
    """The same in the namespace of the client."""
    for case in cases:
        case.script = "ip netns exec $client sh -ec " + quote(case.script)
    return cases


@contextlib.contextmanager
def far_vcenter(tools, disk):
    with delay_line(tools["tundelay"], 20) as (client, server):
        with vcenter(tools["vcsim"], disk, {}, server,
                     "10.77.0.2") as (env, pids):
            yield dict(env, client=client), pids


def vsphere_groups(inputs, tools):
    flat, size = inputs.flat_raw, inputs.data
    shaped = {"delay_ms": 10, "rate": 50000000}
    places = [
        ("HTTPS, nothing in the way",
         lambda: vcenter(tools["vcsim"], flat, {})),
        ("HTTPS, 10 ms a request, 50 MB/s a connection",
         lambda: vcenter(tools["vcsim"], flat, shaped)),
        ("HTTPS, 20 ms away", lambda: far_vcenter(tools, flat)),
    ]
    groups = [Group("vsphere", "vSphere: " + title,
                    in_line(vsphere_cases(size)) if "away" in title else
                    vsphere_cases(size), {}, (flat,), flat, serve=serve)
              for title, serve in places]
    groups.append(Group(
        "vsphere", "vSphere: a sparse disk, 10 ms, 50 MB/s",
        [c for c in vsphere_cases(inputs.size) if c.kind == OURS] +
        [c for c in vsphere_cases(inputs.size) if c.name.startswith("4 ")],
        {}, (inputs.disk_raw,), inputs.disk_raw,
        serve=lambda: vcenter(tools["vcsim"], inputs.disk_raw, shaped)))
    return groups


def quote(script):
    """For nbdkit --run: our shell must not look at it."""
    return shlex.quote(script)


# Each makes its groups, and their inputs, when it is its turn.
PARTS = {
    "ova": lambda i, t: [ova_group(i, t)],
    "nfs": lambda i, t: [nfs_group(i, t)],
    "copy": copy_groups,
    "delta": lambda i, t: [delta_group(i, t)],
    "open": open_groups,
    "vsphere": vsphere_groups,
    "v2v": lambda i, t: [v2v_group(i, t)],
}
DEFAULT_PARTS = ("ova", "nfs", "copy", "delta", "open", "vsphere")
