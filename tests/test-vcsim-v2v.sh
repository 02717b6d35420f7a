#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 900
#
# Debian's virt-v2v converts a real guest out of the simulator, over
# libvirt's ESX driver and nbdkit's curl plugin: an independent check that
# the simulator is a vCenter that serves right data.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/e2e-functions.sh
skip_if_sanitizer "nothing of ours but the simulator is run"
requires virt-v2v --version
tmpdir

guest bios
cat >"$tmp/vc.json" <<EOF
{"password": "secret of virt-v2v",
 "vms": [{"name": "guest", "guestId": "debian11_64Guest",
          "disks": [{"file": "$guest", "bus": "lsi"}],
          "nics": [{"mac": "00:50:56:aa:00:01"}]}]}
EOF
start_vcsim "$tmp/vc.json"
printf %s "$vc_password" >"$tmp/password"

if ! virt-v2v -ic "vpx://${vc_user/@/%40}@$vc_host/DC0/DC0_H0?no_verify=1" \
  -ip "$tmp/password" -o null guest >"$tmp/log" 2>&1; then
  cat "$tmp/log" "$vcsim_log" >&2
  fail "virt-v2v cannot convert the guest"
fi
grep -v ': warning :' "$tmp/log"
grep -q 'to run on KVM' "$tmp/log" || fail "it converted nothing"
[ "$(vcsim_counter folder:guest/guest-flat.vmdk)" -gt 100 ] ||
  fail "it has not read the disk: $(vcsim_counters)"
