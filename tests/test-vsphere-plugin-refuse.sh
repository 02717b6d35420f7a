#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Disks that cannot be served are refused before anything is served, and
# the error says how they can be had.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/vsphere-plugin-functions.sh
requires nbdinfo
requires jq
tmpdir

sample_disk "$tmp/a.raw" 2097152 1
cat >"$tmp/vc.json" <<END
{"vms": [
  {"name": "encrypted", "disks": [{"file": "$tmp/a.raw", "encrypted": true}]},
  {"name": "vsan", "disks": [{"file": "$tmp/a.raw", "noExtent": true}]},
  {"name": "rdm", "disks": [{"file": "$tmp/a.raw"},
                            {"file": "$tmp/a.raw", "rdm": "physical"}]},
  {"name": "rdm2", "disks": [{"file": "$tmp/a.raw", "rdm": "physical"}]},
  {"name": "on", "power": "on", "disks": [{"file": "$tmp/a.raw"}]},
  {"name": "nvme", "disks": [{"file": "$tmp/a.raw", "bus": "nvme"}]}]}
END
start_vsphere "$tmp/vc.json"

refused () {
  local vm=$1 text=$2
  shift 2
  expect_error "$text" nbdkit_vsphere -U - vm="$vm" "$@" --run true
}
refused encrypted 'the disk is encrypted.*Cryptographer.Access'
refused vsan 'no plain files on its datastore.*HttpNfcLease'
refused rdm 'raw device mapping in physical mode' disk=1
refused rdm2 'no disks that could be read'
refused on 'is powered on: its disks change.*shut it down'

# The other disk of the VM, with a word on what is left out.
copy_disk "$tmp/out" vm=rdm 2>"$tmp/log"
same_bytes "$tmp/a.raw" "$tmp/out"
grep -q 'warning: .*raw device mapping, which is left out' "$tmp/log" ||
  fail "nothing said of the mapping"
copy_disk "$tmp/out" vm=nvme
same_bytes "$tmp/a.raw" "$tmp/out"

# A VM that is started while it is served: an error, then, once it is off,
# data again.
start_nbdkit -P "$tmp/pid" -U "$tmp/sock" "$VSPHERE_PLUGIN" "${server[@]}" \
  vm=nvme timeout=5
vcsim_power nvme on
expect_error . timeout 100 nbdcopy "nbd+unix:///?socket=$tmp/sock" \
  "$tmp/out"
grep -q 'the VM is powered on, and then its host keeps this file locked' \
  "$tmp/pid.log" || fail "the error does not say why"
vcsim_power nvme off
nbdcopy "nbd+unix:///?socket=$tmp/sock" "$tmp/out"
same_bytes "$tmp/a.raw" "$tmp/out"
stop_nbdkit "$tmp/pid"
expect_logged_out
