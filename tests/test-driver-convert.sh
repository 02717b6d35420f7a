#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What nbdlift run does around a conversion: a guest that cannot be
# converted leaves the copy for the next run, volumes that are made again
# are converted again, a converted guest is left alone.  In place of
# virt-v2v-in-place is a script that writes 0x5a into the first 64 KiB of
# each disk; real guests are in test-e2e-*.sh.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
requires qemu-io --version

tmpdir
mkdir "$tmp/ova" "$tmp/bin"
make_disk "$tmp/0.raw" 4M 300000
make_disk "$tmp/1.raw" 2M 300000
make_ova --name web --format stream "$tmp/ova/web.ova" "$tmp/0.raw" \
  "$tmp/1.raw"
plan_spec=
make_plan "$tmp/ova" web >"$tmp/plan.yaml"
out=$tmp/out

cat >"$tmp/bin/virt-v2v-in-place" <<'SH'
#!/bin/bash
for a; do
  case $a in --machine-readable=fd:*) fd=${a##*:};; esac
  xml=$a
done
echo x >>"$CONVERSIONS"
if [ -e "$CONVERSIONS.fail" ]; then
  echo '{ "message": "no bootloader detected", "type": "error" }' >&"$fd"
  exit 1
fi
sed -n 's/.*source file="\([^"]*\)".*/\1/p' "$xml" |
while read -r f; do
  qemu-io -f qcow2 -c 'write -q -P 0x5a 0 64k' "$f" || exit 1
done
echo 'i_osinfo = debian12'
echo 'gcaps_block_bus = virtio-blk'
echo 'gcaps_net_bus = virtio-net'
SH
chmod +x "$tmp/bin/virt-v2v-in-place"
export PATH=$tmp/bin:$PATH CONVERSIONS=$tmp/conversions

for i in 0 1; do
  cp "$tmp/$i.raw" "$tmp/$i.converted"
  head -c 65536 /dev/zero | tr '\0' '\132' |
    dd of="$tmp/$i.converted" conv=notrunc status=none
done

# run STATUS: the bytes that were read are in $bytes.
run () {
  expect_status "$1" "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" \
    --machine-readable=5 5>"$tmp/json" 2>"$tmp/log"
  bytes=$(tail -n 1 "$tmp/json" | jq '.vms[0].bytesRead')
}

check_converted () {
  local i
  for i in 0 1; do
    same_disk "$tmp/$i.converted" "$(volume_of "$out" web $i)"
  done
  [ "$(wc -l <"$CONVERSIONS")" -eq "$1" ] ||
    fail "$(wc -l <"$CONVERSIONS") conversions, not $1"
  jq -e '.conversion.osinfo == "debian12"' \
    "$out/.nbdlift/mig/plan1/vms/web/journal.json" >"$tmp/verdict"
}

# No volume under its final name, and the reason is told.
touch "$CONVERSIONS.fail"
run 6
[ "$bytes" -gt 0 ]
expect_output 'boot loader'
[ ! -e "$(volume_of "$out" web 0)" ] || fail 'a final name after a failure'

# The copy is still there.
rm "$CONVERSIONS.fail"
run 0
[ "$bytes" -eq 0 ] || fail "copied $bytes bytes again"
check_converted 2

run 0
[ "$bytes" -eq 0 ] || fail "copied $bytes bytes again"
check_converted 2
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"

# One volume has gone: both are copied and converted again.
rm -r "$(dirname "$(volume_of "$out" web 1)")"
run 0
[ "$bytes" -gt 0 ]
check_converted 3
