# SPDX-License-Identifier: BSD-3-Clause
"""Servers that all cases of a group share, started once: the client can
then be measured alone."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

WAIT_SECONDS = 60


class NoServer(Exception):
    """It does not run here; the text says why."""


@contextlib.contextmanager
def running(argv, ready):
    """ARGV as a process in the foreground, when READY () says so."""
    with tempfile.TemporaryFile() as log:
        try:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log)
        except FileNotFoundError:
            raise NoServer("%s is not installed" % argv[0]) from None
        try:
            end = time.monotonic() + WAIT_SECONDS
            while not ready():
                if p.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise NoServer("%s does not run: %s" % (
                        argv[0],
                        log.read()[-500:].decode(errors="replace").strip()))
                time.sleep(0.02)
            yield p.pid
        finally:
            p.terminate()
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()


@contextlib.contextmanager
def file_server(exports):
    """nbdkit file for each NAME of EXPORTS, (file, list of extents or "");
    $NAME is its URI."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        env, pids = {}, []
        for name, (path, extents) in exports.items():
            sock = os.path.join(folder, name)
            argv = ["nbdkit", "-f", "-r", "-U", sock, "-P", sock + ".pid"]
            argv += (["--filter=extentlist", "file", path,
                      "extentlist=" + extents] if extents
                     else ["file", path])
            pids.append(stack.enter_context(running(
                argv, lambda pid=sock + ".pid": os.path.exists(pid))))
            env[name] = "nbd+unix:///?socket=" + sock
        yield env, pids


def in_namespace(name):
    return ["ip", "netns", "exec", name] if name else []


@contextlib.contextmanager
def delay_line(tundelay, ms):
    """Two network namespaces with a round trip of MS between them: gives
    their names; the second one has the address 10.77.0.2."""
    if os.geteuid() != 0:
        raise NoServer("network namespaces need root")
    names = ["bench-a-%d" % os.getpid(), "bench-b-%d" % os.getpid()]
    with contextlib.ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
        stack.enter_context(running(
            [tundelay, *names, str(ms / 2)],
            lambda: all(has_line(n) for n in names)))
        for n, name in enumerate(names):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "address", "add", "10.77.0.%d/24" % (n + 1),
               "dev", "line")
            ip("-n", name, "link", "set", "line", "up")
        yield names


def ip(*argv):
    try:
        subprocess.run(("ip", *argv), check=True, stdin=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise NoServer("ip is not installed") from None
    except subprocess.CalledProcessError as e:
        raise NoServer("ip %s: %s" % (" ".join(argv), e.stderr.strip())) \
            from None


def has_line(namespace):
    return subprocess.run(("ip", "-n", namespace, "link", "show", "line"),
                          check=False, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


@contextlib.contextmanager
def vcenter(vcsim, disk, settings, namespace="", address="127.0.0.1"):
    """A vCenter with the VM "vm" whose disk is the file DISK."""
    if not os.access(vcsim, os.X_OK):
        raise NoServer("there is no %s: 'make %s'" % (vcsim, vcsim))
    with tempfile.TemporaryDirectory() as work:
        with open(os.path.join(work, "config"), "w") as f:
            json.dump({"vms": [{"name": "vm", "power": "off",
                                "changeTracking": True,
                                "disks": [{"file": disk}],
                                "nics": [{}]}], "settings": settings}, f)
        ready = os.path.join(work, "ready")
        script = ('exec "$@" >%s' % ready)
        argv = [*in_namespace(namespace), "sh", "-c", script, "sh", vcsim,
                "-listen", address, "-config", os.path.join(work, "config"),
                "-dir", os.path.join(work, "files")]
        with running(argv, lambda: os.path.exists(ready) and
                     os.path.getsize(ready) > 0) as pid:
            with open(ready) as f:
                found = json.loads(f.readline())
            secret = os.path.join(work, "password")
            with open(secret, "w") as f:
                f.write(found["password"])
            # curl's -K, so that its command line has no password
            login = os.path.join(work, "curlrc")
            with open(login, "w") as f:
                f.write('user = "%s:%s"\n' % (
                    found["user"], found["password"].replace(
                        "\\", "\\\\").replace('"', '\\"')))
            env = {"vc": found["url"], "user": found["user"],
                   "secret": secret, "curlrc": login,
                   "thumbprint": found["thumbprint"],
                   "password": found["password"],
                   "file": "https://%s/folder/vm/vm-flat.vmdk?dcPath=DC0&"
                           "dsName=datastore1" % found["host"],
                   "plan": os.path.join(work, "plan.yaml")}
            with open(env["plan"], "w") as f:
                f.write(VSPHERE_PLAN % env)
            yield env, [pid]


VSPHERE_PLAN = """
apiVersion: v1
kind: Secret
metadata: {name: vc, namespace: m, labels: {createdForProviderType: vsphere}}
stringData: {user: "%(user)s", password: "%(password)s",
             thumbprint: "%(thumbprint)s"}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: vc, namespace: m}
spec: {type: vsphere, url: %(vc)s, secret: {name: vc, namespace: m}}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: networks, namespace: m}
spec:
  map: [{source: {name: VM Network}, destination: {type: pod}}]
  provider:
    source: {name: vc, namespace: m}
    destination: {name: host, namespace: m}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: StorageMap
metadata: {name: storages, namespace: m}
spec:
  map: [{source: {name: datastore1}, destination: {storageClass: fast}}]
  provider:
    source: {name: vc, namespace: m}
    destination: {name: host, namespace: m}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Plan
metadata: {name: plan, namespace: m}
spec:
  provider:
    source: {name: vc, namespace: m}
    destination: {name: host, namespace: m}
  map:
    network: {name: networks, namespace: m}
    storage: {name: storages, namespace: m}
  targetNamespace: t
  skipGuestConversion: true
  vms: [{name: vm}]
"""


GANESHA = """
NFS_CORE_PARAM {
  Protocols = 4; NFS_Port = %(port)d; Enable_NLM = false;
  Enable_RQUOTA = false; Bind_addr = 127.0.0.1;
}
NFSv4 {
  Graceless = true; RecoveryBackend = fs; RecoveryRoot = "%(work)s";
  Only_Numeric_Owners = true;
}
EXPORT {
  Export_Id = 1; Path = "%(share)s"; Pseudo = "/srv/ova"; Access_Type = RO;
  Squash = No_root_squash; SecType = sys;
  FSAL { Name = VFS; }
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def nfs_server(folder, ova):
    """nfs-ganesha with the OVA in its share; $url is where."""
    if os.geteuid() != 0:
        raise NoServer("ganesha.nfsd needs root")
    share = os.path.join(folder, "share")
    os.makedirs(share, exist_ok=True)
    try:
        link = os.path.join(share, "bench.ova")
        if not os.path.exists(link):
            os.link(ova, link)
        with tempfile.TemporaryDirectory() as work:
            port = free_port()
            conf = os.path.join(work, "conf")
            with open(conf, "w") as f:
                f.write(GANESHA % {"port": port, "work": work,
                                   "share": share})
            argv = ["ganesha.nfsd", "-F", "-f", conf,
                    "-L", os.path.join(work, "log"),
                    "-p", os.path.join(work, "pid")]
            with running(argv, lambda: listens(port)) as pid:
                yield {"url": "nfs://127.0.0.1/srv/ova/bench.ova"
                              "?version=4&nfsport=%d" % port}, [pid]
    finally:
        shutil.rmtree(share)
