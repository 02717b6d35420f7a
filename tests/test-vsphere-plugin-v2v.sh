#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 1200
#
# virt-v2v -i libvirtxml converts a real guest that nbdkit vsphere serves,
# by the words of nbdkit-vsphere-plugin(1), and it boots on virtio.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/vsphere-plugin-functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh
skip_if_sanitizer "other programs take the time"
requires virt-v2v --version
tmpdir
pod=plugins/vsphere/nbdkit-vsphere-plugin.pod

guest bios
cat >"$tmp/vc.json" <<EOF
{"vms": [{"name": "web", "guestId": "debian12_64Guest",
          "disks": [{"file": "$guest"}],
          "nics": [{"mac": "00:50:56:aa:00:02"}]}]}
EOF
start_vsphere "$tmp/vc.json"

for _ in {1..20}; do
  port=$((20000 + RANDOM % 20000))
  (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null || break
done
start_nbdkit -P "$tmp/pid" -i localhost -p "$port" "$VSPHERE_PLUGIN" \
  "${server[@]}" vm=web disk=0
sed -n '/^ <domain/,/^ <\/domain/p' $pod | sed "s/10809/$port/" \
  >"$tmp/web.xml"
mkdir "$tmp/out"
if ! virt-v2v -i libvirtxml "$tmp/web.xml" -o local -os "$tmp/out" \
  >"$tmp/log" 2>&1; then
  cat "$tmp/log" "$vcsim_log" >&2
  fail "virt-v2v cannot convert the guest"
fi
cat "$tmp/log"
stop_nbdkit "$tmp/pid"
expect_logged_out

boots "$tmp/virtio.log" "$tmp/out/web-sda"
reported "$tmp/virtio.log" 'root=/dev/vda2'
reported "$tmp/virtio.log" 'disk=vda drivers=virtio_blk,.*'
reported "$tmp/virtio.log" 'payload=ok'
