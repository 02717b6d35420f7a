#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# virt-v2v -i libvirtxml sees both disks of an OVA, each served by an
# nbdkit of its own on TCP port N of localhost, with the XML of the
# plugin's man page; and with 127.0.0.1 it would not.

source ./tests/functions.sh
requires virt-v2v
requires nbdinfo
tmpdir

truncate -s 1M "$tmp/1.raw"
truncate -s 2M "$tmp/2.raw"
tests/tools/make-ova.py "$tmp/web.ova" "$tmp/1.raw" "$tmp/2.raw"

# start DISK: a server on a free port, which is then in $port.
start () {
  local i
  for i in $(seq 20); do
    port=$((20000 + RANDOM % 20000))
    if ! (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null; then
      start_nbdkit -P "$tmp/pid$1" -i localhost -p $port "$OVA_PLUGIN" \
        "$tmp/web.ova" "disk=$1"
      return
    fi
  done
  fail "no free port after $i tries"
}
start 0
port0=$port
start 1
port1=$port
nbdinfo --size "nbd://localhost:$port0" | grep -qx 1048576
nbdinfo --size "nbd://localhost:$port1" | grep -qx 2097152

sed -n '/^ <domain/,/^ <\/domain/p' plugins/ova/nbdkit-ova-plugin.pod |
  sed -e "s/10809/$port0/" -e "s/10810/$port1/" >"$tmp/web.xml"
virt-v2v -i libvirtxml "$tmp/web.xml" --print-source >"$tmp/source" \
  2>"$tmp/err" || { cat "$tmp/err"; fail "virt-v2v"; }
cat "$tmp/source" "$tmp/err"
# disks SOURCE: how many of them virt-v2v lists.
disks () {
  sed -n '/^disks:/,/^removable/p' "$1" | grep -c '\[scsi\]' || true
}
[ "$(disks "$tmp/source")" -eq 2 ] ||
  fail "virt-v2v does not see two disks"

# The trap that the page warns of.
sed "s/name='localhost'/name='127.0.0.1'/" "$tmp/web.xml" >"$tmp/bad.xml"
virt-v2v -i libvirtxml "$tmp/bad.xml" --print-source >"$tmp/source" \
  2>"$tmp/err" || true
cat "$tmp/source" "$tmp/err"
case $(disks "$tmp/source") in
  0) ;;
  2) echo "this virt-v2v takes other names than localhost as well" ;;
  *) fail "one of two disks" ;;
esac
