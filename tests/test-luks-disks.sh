#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The real virt-v2v-in-place opens encrypted disks with the passphrases of
# a Secret.  Two disks have different ones, given in the other order.  There
# is no guest on them: how far virt-v2v gets tells whether it could open
# them, and it says so in its log.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
requires virt-v2v-in-place --version
requires qemu-img --version

tmpdir
mkdir "$tmp/ova"

# luks FILE PASSPHRASE: 16 MiB and the header, encrypted as a whole.  Few
# iterations: a processor that is emulated does them again.
luks () {
  qemu-img create -q -f luks --object "secret,id=key,data=$2" \
    -o key-secret=key,iter-time=10 "$1" 16M
  truncate -s %1M "$1"
}
luks "$tmp/0.raw" first-passphrase
luks "$tmp/1.raw" second-passphrase
make_ova --name vault "$tmp/ova/vault.ova" "$tmp/0.raw" "$tmp/1.raw"
plan_spec=

# run FIRST SECOND: as a plan with these passphrases.
run () {
  vm_spec='luks: {name: passphrases, namespace: mig}' \
    make_plan "$tmp/ova" vault >"$tmp/plan.yaml"
  cat >>"$tmp/plan.yaml" <<YAML
---
apiVersion: v1
kind: Secret
metadata: {name: passphrases, namespace: mig}
stringData: {a: $1, b: $2}
YAML
  expect_status 6 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
}
log=$tmp/out/.nbdlift/mig/plan1/vms/vault/virt-v2v.log

run second-passphrase first-passphrase
! grep -q 'could not find key' "$log" || fail 'a disk could not be opened'
[ "$(grep -c 'cryptsetup_open = 0' "$log")" -eq 2 ] ||
  { grep cryptsetup "$log"; fail 'not two disks were opened'; }
! grep -Eq '(first|second)-passphrase' "$log" || fail 'the log shows a passphrase'
no_servers
