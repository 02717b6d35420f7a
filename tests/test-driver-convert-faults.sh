#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A conversion that fails or is interrupted, with a stand-in for
# virt-v2v-in-place that writes a mark on each overlay: nothing is copied
# twice, nothing is final before it, and status and verify tell what is.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
requires qemu-img
requires qemu-io

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova" "$tmp/bin"
make_disk "$tmp/a.raw" 8M 3000000
make_disk "$tmp/b.raw" 2500K 900000
make_ova --name web --firmware none "$tmp/ova/web.ova" "$tmp/a.raw" \
  "$tmp/b.raw"
make_ova --name other --firmware none "$tmp/ova/other.ova" "$tmp/b.raw"
plan_spec='deleteVmOnFailMigration: false' \
  make_plan "$tmp/ova" web >"$tmp/plan.yaml"
out=$tmp/out

cat >"$tmp/bin/virt-v2v-in-place" <<'SH'
#!/bin/bash
for a; do
  case $a in --machine-readable=fd:*) fd=${a#*fd:} ;; esac
  xml=$a
done
say () { echo "{ \"message\": \"$2\", \"type\": \"$1\" }" >&"$fd"; }
echo x >>"$FAKE_COUNT"
say message 'Opening the source'
echo 'i_root = /dev/sda1'
for f in $(sed -n 's/.*source file=["'\'']\([^"'\'']*\)["'\''].*/\1/p' "$xml"); do
  qemu-io -f qcow2 -c 'write -q -P 0x5a 0 64k' "$f" || exit 1
done
case ${FAKE_V2V:-} in
  fail) say error 'no bootloader detected'; exit 1 ;;
  hang) sleep 100 & wait ;;
esac
echo 'i_osinfo = debian12'
echo 'i_firmware = UEFI [/dev/sda1]'
echo 'gcaps_block_bus = virtio-blk'
echo 'gcaps_net_bus = virtio-net'
say warning 'the guest is too old for this'
SH
chmod +x "$tmp/bin/virt-v2v-in-place"
export PATH=$tmp/bin:$PATH FAKE_COUNT=$tmp/count

# marked DISK RAW: the volume is RAW with the stand-in's mark.
marked () {
  local volume
  volume=$(volume_of "$out" web "$1")
  cmp -n 65536 "$volume" "$tmp/mark" || fail "disk $1 is not converted"
  cmp -i 65536 -n $(($(stat -c %s "$2") - 65536)) "$volume" "$2" ||
    fail "disk $1 is damaged"
}
head -c 65536 /dev/zero | tr '\0' 'Z' >"$tmp/mark"

vm_state=$out/.nbdlift/mig/plan1/vms/web
no_final () {
  [ -z "$(find "$out" -name disk.img)" ] || fail "a volume is final"
  [ ! -e "$out/target/web.yaml" ] || fail "there is a manifest"
}

echo "== the conversion fails"
FAKE_V2V=fail expect_status 6 "$NBDLIFT" run "$tmp/plan.yaml" -o "$out"
expect_output 'nbdlift: error: web: ImageConversion: '
no_final
[ "$(jq -c '[.disks[].state]' "$vm_state/journal.json")" = \
  '["copied","copied"]' ] || fail "the copies are not kept"
grep -q 'i_root' "$vm_state/virt-v2v.log" || fail "the log is not kept"
"$NBDLIFT" status "$tmp/plan.yaml" -o "$out" -f json |
  jq -e '.status.migration.vms[0] | .conditions[0].type == "Failed" and
    (.pipeline | map (.name)) == ["Initialize", "DiskTransfer",
      "ImageConversion", "VirtualMachineCreation"] and
    .pipeline[1].progress == {"total": 11, "completed": 11} and
    .pipeline[2].error.reasons != null' >"$tmp/verdict" || fail "status"

echo "== it hangs: SIGINT, then SIGKILL"
for signal in INT KILL; do
  rm -f "$FAKE_COUNT"
  FAKE_V2V=hang "$NBDLIFT" run "$tmp/plan.yaml" -o "$out" 2>"$tmp/log" &
  pid=$!
  for ((i = 0; i < 300; i++)); do
    [ ! -e "$FAKE_COUNT" ] || break
    sleep 0.05
  done
  sleep 0.5
  kill -$signal "$pid"
  status=0
  wait "$pid" || status=$?
  cat "$tmp/log"
  [ $signal = KILL ] || [ "$status" -eq 8 ] || fail "status $status"
  ! grep -q 'error:' "$tmp/log" || fail "an error about a cancelled step"
  no_final
done

echo "== it works"
rm -f "$FAKE_COUNT"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" -o "$out" \
  --machine-readable=5 5>"$tmp/json"
expect_output 'nothing to copy'
expect_output 'warning: web: ImageConversion: .*too old for this'
tail -n 1 "$tmp/json" | jq -e '.vms[0].bytesRead == 0 and
  (.vms[0].warnings | length) == 1 and
  .vms[0].disks[0].sourceDigest != .vms[0].disks[0].volumeDigest' \
  >"$tmp/verdict"
marked 0 "$tmp/a.raw"
marked 1 "$tmp/b.raw"
grep -q 'guestConverted: "true"' "$out/target/web.yaml"
grep -q 'efi:' "$out/target/web.yaml"
"$NBDLIFT" status "$tmp/plan.yaml" -o "$out" -f json |
  jq -e '.status.migration.vms[0] | .firmware == "uefi" and
    .operatingSystem == "debian12"' >"$tmp/verdict"

echo "== again: it is not converted twice"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" -o "$out"
[ "$(wc -l <"$FAKE_COUNT")" -eq 1 ] || fail "converted twice"
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" -o "$out"
"$NBDLIFT" status "$tmp/plan.yaml" -o "$out" -f json |
  jq -e '.status.migration.vms[0].firmware == "uefi"' >"$tmp/verdict"

echo "== verify names the MiB"
"$PYTHON" - "$(volume_of "$out" web 0)" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(5000000)
    f.write(b"x")
PY
expect_error 'differs .* in the 1 MiB at offset 4194304' \
  "$NBDLIFT" verify "$tmp/plan.yaml" -o "$out"

echo "== interrupted in the middle of it, and then not wanted any more"
rm -rf "$out"
FAKE_V2V=fail expect_status 6 "$NBDLIFT" run "$tmp/plan.yaml" -o "$out"
# As if it had been killed while it wrote to the first volume.
echo '{}' >"$vm_state/convert/converted.json"
dd if="$tmp/mark" of="$(find "$out" -path '*disk-0/.disk.img.partial')" \
  conv=notrunc status=none
plan_spec='skipGuestConversion: true' make_plan "$tmp/ova" web \
  >"$tmp/skip.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/skip.yaml" -o "$out"
expect_output 'warning: web: .*skipGuestConversion: the disks are copied again'
same_disk "$tmp/a.raw" "$(volume_of "$out" web 0)"
same_disk "$tmp/b.raw" "$(volume_of "$out" web 1)"
expect_status 0 "$NBDLIFT" verify "$tmp/skip.yaml" -o "$out"

echo "== deleteVmOnFailMigration: nothing is kept"
plan_spec='deleteVmOnFailMigration: true' \
  make_plan "$tmp/ova" other >"$tmp/plan.yaml"
FAKE_V2V=fail expect_status 6 "$NBDLIFT" run "$tmp/plan.yaml" -o "$tmp/out2"
[ -z "$(find "$tmp/out2" -name 'disk.img*')" ] || fail "a volume was kept"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" -o "$tmp/out2"
no_servers
