# SPDX-License-Identifier: BSD-3-Clause
"""Servers that all cases of a group share, started once: the client can
then be measured alone."""

import contextlib
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
