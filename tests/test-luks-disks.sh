#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 600
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

# luks FILE PASSPHRASE: a disk with one partition, which is encrypted.  Few
# iterations: a processor that is emulated does them again.  qemu-img
# counts how many it takes, and on a busy machine cannot, now and then.
luks () {
  local i
  for ((i = 0; i < 20; i++)); do
    if qemu-img create -q -f luks --object "secret,id=key,data=$2" \
         -o key-secret=key,iter-time=10 "$tmp/luks" 16M 2>"$tmp/error"; then
      "$PYTHON" - "$tmp/luks" "$1" <<'END'
import struct
import sys

with open(sys.argv[1], "rb") as f:
    data = f.read()
data += bytes(-len(data) % (1 << 20))
with open(sys.argv[2], "wb") as f:
    f.write(bytes(446) + struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83,
                                     b"\xfe\xff\xff", 2048,
                                     len(data) // 512)
            + bytes(48) + b"\x55\xaa")
    f.seek(1 << 20)
    f.write(data)
END
      return 0
    fi
  done
  cat "$tmp/error"
  return 1
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
  { grep -i crypt "$log" || true; fail 'not two disks were opened'; }
! grep -Eq '(first|second)-passphrase' "$log" || fail 'the log shows a passphrase'

# One passphrase goes another way (standard input), and opens one of them;
# what to do about the other is told.
sed -i 's/^stringData: {a: .*/stringData: {a: first-passphrase}/' \
  "$tmp/plan.yaml"
expect_status 6 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
expect_output 'encrypted with LUKS.*spec.vms\[\].luks'
[ "$(grep -c 'cryptsetup_open = 0' "$log")" -eq 1 ] ||
  { grep -i crypt "$log" || true; fail 'not one disk was opened'; }
no_servers
