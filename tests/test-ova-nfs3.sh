#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# NFSv3, which is used when the server has no NFSv4: found through the
# portmapper, or by the ports of the URL.  A portmapper has a fixed port and
# socket, so all of this is in network and mount namespaces of its own.

source ./tests/functions.sh
requires_root
requires ganesha.nfsd
requires rpcbind
requires nbdcopy
requires ip
requires unshare -n -m true
grep -q '^ova_features=.*nfs' <<<"$(nbdkit_ova --dump-plugin)" ||
  skip "built without libnfs"

if [ "${IN_NAMESPACE:-}" != yes ]; then
  IN_NAMESPACE=yes exec unshare -n -m bash "$0"
fi
tmpdir

ip link set lo up
# The server does not run where only lo has an address.
ip link add d0 type dummy 2>/dev/null || ip tuntap add d0 mode tun 2>/dev/null ||
  skip "no network interface can be made"
ip addr add 10.99.0.1/24 dev d0
ip link set d0 up
mount -t tmpfs none /run
share=$tmp/share
mkdir "$share"
if [ "$(stat -f -c %T "$share")" = overlayfs ]; then
  mount -t tmpfs none "$share"
fi

"$PYTHON" -c '
import random, sys
random.seed(2)
sys.stdout.buffer.write(random.randbytes(5 << 20))' >"$tmp/a.raw"
mkdir "$share/sub"
tests/tools/make-ova.py --format raw "$share/sub/a.ova" "$tmp/a.raw"

cat >"$tmp/ganesha.conf" <<CONF
NFS_CORE_PARAM {
  Protocols = 3; NFS_Port = 2049; MNT_Port = 20500; Enable_NLM = false;
  Enable_RQUOTA = false; mount_path_pseudo = true;
}
EXPORT {
  Export_Id = 1; Path = "$share"; Pseudo = "/srv/ova"; Access_Type = RO;
  Squash = No_root_squash; SecType = sys; FSAL { Name = VFS; }
}
CONF
pids=()
end_servers () {
  kill -KILL "${pids[@]}" 2>/dev/null
  wait "${pids[@]}" 2>/dev/null
}
cleanup_fn end_servers
rpcbind -f >/dev/null 2>&1 </dev/null &
pids+=($!)
for ((i = 0; i < 100; i++)); do
  ss -ltn "sport = :111" | grep -q LISTEN && break
  sleep 0.1
done
ganesha.nfsd -F -f "$tmp/ganesha.conf" -L "$tmp/ganesha.log" \
  -p "$tmp/ganesha.pid" >/dev/null 2>&1 </dev/null &
pids+=($!)
for ((i = 0; i < 300; i++)); do
  ss -ltn "sport = :20500" | grep -q LISTEN && break
  kill -0 "${pids[1]}" 2>/dev/null || skip "the NFS server does not run here"
  sleep 0.1
done

for path in "10.99.0.1:/srv/ova/sub/a.ova" \
            "nfs://10.99.0.1/srv/ova/sub?version=3" \
            "nfs://10.99.0.1/srv/ova/sub/a.ova?version=3&nfsport=2049&mountport=20500"
do
  rm -f "$tmp/out"
  # shellcheck disable=SC2016
  out=$tmp/out nbdkit_ova -U - "$path" --run 'nbdcopy "$uri" "$out"'
  same_bytes "$tmp/a.raw" "$tmp/out"
done
expect_error "no such file or folder on the server" nbdkit_ova -U - \
  "10.99.0.1:/srv/ova/none.ova" nfs-version=3 --run true
expect_error "cannot mount" nbdkit_ova -U - \
  "10.99.0.1:/srv/ova/sub/a.ova" nfs-version=4 --run true
