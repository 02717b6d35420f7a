#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Packages on a real NFS server (nfs-ganesha on the loopback interface,
# NFSv4): every form of the path, parallel reads, and what a server can do
# to us: be killed and come back, freeze, change the file, not be there.

source ./tests/functions.sh
requires_root
requires ganesha.nfsd
requires nbdcopy
requires nbdinfo
requires qemu-io
requires ss
grep -q '^ova_features=.*nfs' <<<"$(nbdkit_ova --dump-plugin)" ||
  skip "built without libnfs"
tmpdir

# ganesha needs file handles, which overlayfs has not.
share=$tmp/share
mkdir "$share"
if [ "$(stat -f -c %T "$share")" = overlayfs ]; then
  mount -t tmpfs none "$share" || skip "no file system to export"
  cleanup_fn umount -l "$share"
fi

# --- the packages
"$PYTHON" -c '
import random, sys
random.seed(1)
for i in range(48):
    sys.stdout.buffer.write(random.randbytes(1 << 20))
' >"$tmp/a.raw"
echo small >"$tmp/b.raw"
truncate -s 1M "$tmp/b.raw"
mkdir "$share/more"
tests/tools/make-ova.py --format raw "$share/a.ova" "$tmp/a.raw"
tests/tools/make-ova.py --tar pax "$share/more/b.ova" "$tmp/b.raw"
tests/tools/make-ova.py "$share/more/loose one" "$tmp/b.raw" "$tmp/a.raw"
ln -s a.ova "$share/link.ova"
mkdir "$share/linked"
cp "$share/more/loose one/"*.ovf "$share/linked/"
for f in "$share/more/loose one/"*.vmdk; do
  ln -s "../more/loose one/${f##*/}" "$share/linked/"
done
echo "not a tar" >"$share/bad.ova"

# --- the server
port=$("$PYTHON" -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
mkdir "$tmp/recovery"
cat >"$tmp/ganesha.conf" <<CONF
NFS_CORE_PARAM {
  Protocols = 4; NFS_Port = $port; Enable_NLM = false;
  Enable_RQUOTA = false; Bind_addr = 127.0.0.1;
}
NFSv4 {
  Graceless = true; RecoveryBackend = fs; RecoveryRoot = "$tmp/recovery";
  Only_Numeric_Owners = true;
}
EXPORT {
  Export_Id = 1; Path = "$share"; Pseudo = "/srv/ova"; Access_Type = RO;
  Squash = No_root_squash; SecType = sys; Attr_Expiration_Time = 0;
  FSAL { Name = VFS; }
}
CONF

server_pid=
start_server () {
  local i
  ganesha.nfsd -F -f "$tmp/ganesha.conf" -L "$tmp/ganesha.log" \
    -p "$tmp/ganesha.pid" >/dev/null 2>&1 </dev/null &
  server_pid=$!
  for ((i = 0; i < 300; i++)); do
    if ss -ltn "sport = :$port" | grep -q LISTEN; then
      return 0
    fi
    if ! kill -0 "$server_pid" 2>/dev/null; then
      tail "$tmp/ganesha.log"
      skip "the NFS server does not run here"
    fi
    sleep 0.1
  done
  skip "the NFS server does not listen"
}
kill_server () {
  [ -n "$server_pid" ] || return 0
  kill -KILL "$server_pid" 2>/dev/null || true
  wait "$server_pid" 2>/dev/null || true
  server_pid=
}
cleanup_fn kill_server
start_server

url=nfs://127.0.0.1:$port/srv/ova

# copy OUT ARGS...: read the default export of the plugin.
copy () {
  local out=$1
  shift
  rm -f "$out"
  # shellcheck disable=SC2016
  out=$out nbdkit_ova -U - "$@" --run 'nbdcopy "$uri" "$out"'
}

# --- every form of the path
copy "$tmp/out" "$url/a.ova"
same_bytes "$tmp/a.raw" "$tmp/out"
copy "$tmp/out" "nfs://127.0.0.1/srv/ova/a.ova?version=4&nfsport=$port"
same_bytes "$tmp/a.raw" "$tmp/out"
copy "$tmp/out" "127.0.0.1:/srv/ova/more/b.ova" nfs-port="$port"
same_bytes "$tmp/b.raw" "$tmp/out"
copy "$tmp/out" "localhost:/srv/ova/more//./b.ova" nfs-port="$port" \
  nfs-version=4 nfs-connections=1
same_bytes "$tmp/b.raw" "$tmp/out"
copy "$tmp/out" "[::ffff:127.0.0.1]:/srv/ova/more/b.ova" nfs-port="$port"
same_bytes "$tmp/b.raw" "$tmp/out"
copy "$tmp/out" "$url/more" vm=b
same_bytes "$tmp/b.raw" "$tmp/out"
for disk in 1 2; do
  copy "$tmp/out" "$url/more/loose%20one" "disk=loose one-disk$disk.vmdk" ||
    copy "$tmp/out" "127.0.0.1:/srv/ova/more/loose one" nfs-port="$port" \
      "disk=$disk"
  case $disk in
    1) same_bytes "$tmp/b.raw" "$tmp/out" ;;
    2) same_bytes "$tmp/a.raw" "$tmp/out" ;;
  esac
done

# A folder with a bad file: named, and the others are there.
# shellcheck disable=SC2016
nbdkit_ova -U - "$url" vm=a --run 'nbdinfo --size "$uri"' >"$tmp/out" \
  2>"$tmp/err"
cat "$tmp/err"
[ "$(cat "$tmp/out")" -eq "$(stat -c %s "$tmp/a.raw")" ]
grep -q "'bad.ova' is left out" "$tmp/err" || fail "bad.ova is not named"

# nbdkit forks when it runs in the background: the connections of before
# must not be used any more.
pid=$tmp/daemon.pid
nbdkit_ova -P "$pid" -U "$tmp/daemon.sock" "$url/a.ova"
nbdcopy "nbd+unix:///?socket=$tmp/daemon.sock" "$tmp/out" || {
  kill "$(cat "$pid")"
  fail "nbdkit in the background does not read"
}
kill "$(cat "$pid")"
same_bytes "$tmp/a.raw" "$tmp/out"

# --- errors
expect_error "none.ova: .*no such file or folder" nbdkit_ova -U - "$url/none.ova" --run true
expect_error "no such file or folder" nbdkit_ova -U - \
  "nfs://127.0.0.1:$port/elsewhere/a.ova" --run true
expect_error "cannot mount: .*is the server reachable" nbdkit_ova -U - \
  "nfs://127.0.0.1:1/srv/ova/a.ova" --run true
expect_error "unknown argument 'prot'" nbdkit_ova -U - "$url?prot=4" \
  --run true
expect_error "may not contain '\.\.'" nbdkit_ova -U - "$url/../x" --run true
expect_error "name of the server is missing" nbdkit_ova -U - \
  "nfs:///srv/ova/a.ova" --run true
expect_error "symbolic link, which is not followed on NFS" nbdkit_ova -U - \
  "$url/linked" "disk=loose one-disk1.vmdk" --run 'nbdinfo "$uri"'
expect_error "not a tar" nbdkit_ova -U - "$url/bad.ova" --run true

# --- the server goes away and comes back
# slow_copy ARGS...: begin to copy a.ova into $tmp/out, 2 to 3 seconds long;
# "wait $copy" ends it.
slow_copy () {
  start_nbdkit -P "$tmp/slow.pid" -U "$tmp/slow.sock" --filter=rate \
    "$OVA_PLUGIN" rate=192M "$@"
  rm -f "$tmp/out"
  nbdcopy "nbd+unix:///?socket=$tmp/slow.sock" "$tmp/out" \
    2>"$tmp/copy.err" &
  copy=$!
  for ((i = 0; i < 100; i++)); do
    [ "$(stat -c %b "$tmp/out" 2>/dev/null || echo 0)" -lt 8192 ] || break
    sleep 0.05
  done
}

slow_copy "$url/a.ova"
kill_server
sleep 1
kill -0 "$copy" || fail "the copy ended before the server was killed"
start_server
wait "$copy" || fail "the copy failed after the restart of the server"
same_bytes "$tmp/a.raw" "$tmp/out"
grep -q "trying again" "$tmp/slow.pid.log" ||
  fail "no connection was lost, so nothing was tested"
stop_nbdkit "$tmp/slow.pid"

# --- the server freezes
slow_copy "$url/a.ova" nfs-timeout=2
kill -STOP "$server_pid"
sleep 5
kill -CONT "$server_pid"
wait "$copy" || fail "the copy failed after the server was frozen"
same_bytes "$tmp/a.raw" "$tmp/out"
grep -q "did not answer within 2 s" "$tmp/slow.pid.log" ||
  fail "no call timed out, so nothing was tested"
stop_nbdkit "$tmp/slow.pid"

# nbdcopy ends without a word after an error, which crashes nbdkit 1.32 now
# and then; qemu-io does not.
# read_some: one read from the server of the last start_nbdkit.
read_some () {
  qemu-io -r -f raw -c "read 512k 64k" \
    "nbd+unix:///?socket=$tmp/slow.sock" 2>&1
}

# --- the file changes: an error, never bytes of both
start_nbdkit -P "$tmp/slow.pid" -U "$tmp/slow.sock" "$OVA_PLUGIN" "$url/a.ova"
read_some
printf 'x' | dd of="$share/a.ova" bs=1 seek=100000 conv=notrunc status=none
expect_error "read failed|error" read_some
grep -q "a.ova: changed since it was first looked at" "$tmp/slow.pid.log" ||
  fail "the change is not named"
stop_nbdkit "$tmp/slow.pid"
