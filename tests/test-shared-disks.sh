#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Disks that several VMs have: three in a circle, each shared by two VMs,
# and one of each VM's own.  Each is copied once, whatever happens.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
# Own disks 1, 2, 3 of g-1, g-2, g-3; 4 is of 1 and 2, 5 of 2 and 3, 6 of 3
# and 1.
for i in 1 2 3 4 5 6; do
  make_disk "$tmp/$i.raw" 8M 2000000
done
make_ova --name g --format raw --systems 3 --attach 2:4 --attach 3:5 \
  --attach 1:6 "$tmp/ova/g.ova" "$tmp"/[1-6].raw
out=$tmp/out

run () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" "$@"
}

# claims VM...: "PVC shareable cache" of each disk of a VM.
manifest () {
  "$PYTHON" -c '
import json, sys, yaml
print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))' \
    "$out/target/$1.yaml"
}

claims () {
  manifest "$1" | jq -r '.[] | select (.kind == "VirtualMachine") |
    .spec.template.spec | . as $s | .domain.devices.disks[] | . as $d |
    ($s.volumes[] | select (.name == $d.name) |
     .persistentVolumeClaim.claimName) + " \($d.shareable) \($d.cache)"'
}

claim_of () {                   # VM DISK
  claims "$1" | sed -n "$(($2 + 1))p"
}

# images: how many volumes there are.
images () {
  find "$out/target" -name disk.img | wc -l
}

# in_a_circle: each shared disk is one volume, which both VMs have.
in_a_circle () {
  local vm
  # The disks of g-1 are 1, 4, 6; of g-2 2, 5, 4; of g-3 3, 6, 5.
  [ "$(images)" -eq 6 ] || fail "$(images) volumes instead of 6"
  for vm in 1 2 3; do
    same_disk "$tmp/$vm.raw" "$(volume_of "$out" "g-$vm" 0)"
    [ "$(claim_of "g-$vm" 0)" != "$(claim_of "g-$vm" 1)" ]
    [[ $(claim_of "g-$vm" 0) == *" null null" ]] ||
      fail "an own disk of g-$vm: $(claim_of "g-$vm" 0)"
    [[ $(claim_of "g-$vm" 1) == *" true none" ]] ||
      fail "a shared disk of g-$vm: $(claim_of "g-$vm" 1)"
  done
  same_disk "$tmp/4.raw" "$(volume_of "$out" g-1 1)"
  same_disk "$tmp/5.raw" "$(volume_of "$out" g-2 1)"
  same_disk "$tmp/6.raw" "$(volume_of "$out" g-3 1)"
  [ "$(claim_of g-1 1)" = "$(claim_of g-2 2)" ] || fail "disk 4 is not one"
  [ "$(claim_of g-2 1)" = "$(claim_of g-3 2)" ] || fail "disk 5 is not one"
  [ "$(claim_of g-3 1)" = "$(claim_of g-1 2)" ] || fail "disk 6 is not one"
}

echo "== the check"
make_plan "$tmp/ova" g-1 g-2 g-3 >"$tmp/plan.yaml"
"$NBDLIFT" check -o json "$tmp/plan.yaml" >"$tmp/check.json"
jq -e '[.problems[] | select (.type | startswith ("SharedDisks-")) |
        select (.message | contains ("copied once"))] | length == 6' \
  "$tmp/check.json" >"$tmp/verdict" || fail "$(cat "$tmp/check.json")"

echo "== a circle"
expect_status 0 run --machine-readable=5 5>"$tmp/json"
in_a_circle
# Bytes are read once: 6 disks, not 9.
read=$(tail -n 1 "$tmp/json" | jq '[.vms[].bytesRead] | add')
[ "$read" -le $((6 * 8 * 1048576)) ] || fail "$read bytes were read"
manifest g-1 >"$tmp/g-1.json"
pvc=$(claim_of g-1 1)
pvc=${pvc%% *}
jq -e --arg pvc "$pvc" '.[] | select (.metadata.name == $pvc) |
  .metadata.labels.shareable == "true" and
  (.metadata.annotations["forklift.konveyor.io/disk-source"] |
   endswith ("g-disk4.img"))' "$tmp/g-1.json" >"$tmp/verdict" ||
  fail "the claim of disk 4: $(cat "$tmp/g-1.json")"
# kubectl apply of all manifests makes it once: it is the same in both.
for vm in g-1 g-2; do
  manifest "$vm" | jq -S --arg pvc "$pvc" \
    '.[] | select (.metadata.name == $pvc)' >"$tmp/claim-$vm"
done
[ -s "$tmp/claim-g-1" ]
diff -u "$tmp/claim-g-1" "$tmp/claim-g-2"

echo "== again"
find "$out" | sort >"$tmp/before"
expect_status 0 run --machine-readable=5 5>"$tmp/json"
[ "$(grep -c 'nothing to copy: all' <<<"$output")" -eq 3 ] ||
  fail "not all VMs have nothing to copy"
[ "$(tail -n 1 "$tmp/json" | jq '[.vms[].bytesRead] | add')" -eq 0 ]
in_a_circle

echo "== verify"
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"
printf x | dd of="$(volume_of "$out" g-3 1)" conv=notrunc bs=1 seek=5000 \
  status=none
expect_status 1 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"
[ "$(grep -c differs <<<"$output")" -ge 2 ] || fail "not in both VMs"
dd if="$tmp/6.raw" of="$(volume_of "$out" g-3 1)" conv=notrunc bs=1 count=1 \
  skip=5000 seek=5000 status=none
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" -q
expect_status 0 "$NBDLIFT" status "$tmp/plan.yaml" --output "$out"
expect_status 0 "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" \
  --html "$tmp/report.html"

echo "== cancel leaves what is migrated alone"
"$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out"
in_a_circle

echo "== one disk at a time, and one VM at a time"
out=$tmp/out2
expect_status 0 run --max-inflight=1
in_a_circle
out=$tmp/out3
for vm in g-2 g-3 g-1; do
  expect_status 0 run --vm "$vm"
done
in_a_circle
expect_output 'attached as .*copied already'

echo "== two plans"
out=$tmp/out4
make_plan "$tmp/ova" g-1 g-2 >"$tmp/plan.yaml"
expect_status 0 run
plan_name=plan2 plan_spec='skipGuestConversion: true
migrateSharedDisks: false' make_plan "$tmp/ova" g-3 >"$tmp/plan.yaml"
"$NBDLIFT" check -o json "$tmp/plan.yaml" >"$tmp/check.json"
jq -e '[.problems[] | select (.type | startswith ("SharedWarnDisks-")) |
        select (.category == "Warn")] | length == 2' \
  "$tmp/check.json" >"$tmp/verdict" || fail "$(cat "$tmp/check.json")"
expect_status 0 run
[ "$(claim_of g-2 1)" = "$(claim_of g-3 2)" ] || fail "disk 5 is not one"
[ "$(claim_of g-3 1)" = "$(claim_of g-1 2)" ] || fail "disk 6 is not one"
[ "$(images)" -eq 6 ] || fail "$(images) volumes"
# The claim is the first plan's.
[ "$(manifest g-3 | jq '[.[] | select (.kind != "VirtualMachine")] |
  length')" -eq 1 ]
same_disk "$tmp/3.raw" "$(plan_name=plan2 volume_of "$out" g-3 0)"
same_disk "$tmp/6.raw" "$(plan_name=plan2 volume_of "$out" g-3 1)"

echo "== cleanup and cancel of the first plan, and of the second"
make_plan "$tmp/ova" g-1 g-2 >"$tmp/plan1.yaml"
expect_status 0 "$NBDLIFT" cleanup "$tmp/plan1.yaml" --output "$out"
[ "$(images)" -eq 6 ] || fail "cleanup removed volumes"
[ -d "$out/.nbdlift/.shared" ] || fail "what plan2 needs is gone"
"$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out"
expect_status 0 "$NBDLIFT" cleanup "$tmp/plan.yaml" --output "$out"
[ "$(images)" -eq 6 ] || fail "cleanup removed volumes"
[ ! -e "$out/.nbdlift" ] || fail "left: $(find "$out/.nbdlift")"
# Found all the same, with a word about it.
plan_name=plan3 plan_spec='skipGuestConversion: true' \
  make_plan "$tmp/ova" g-3 >"$tmp/plan3.yaml"
rm "$out/target/g-3.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan3.yaml" --output "$out"
expect_output 'is attached as .* holds it'
[ "$(images)" -eq 7 ] || fail "$(images) volumes"

echo "== no first plan"
out=$tmp/out5
expect_status 0 run
expect_output 'shared disk .*the VM is made without it'
[ "$(claims g-3 | wc -l)" -eq 1 ]
[ "$(images)" -eq 1 ]
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"
# It comes later.
expect_status 0 "$NBDLIFT" run "$tmp/plan1.yaml" --output "$out"
expect_status 0 run
expect_output 'made without this disk: .*remove .*g-3.yaml'
rm "$out/target/g-3.yaml"
expect_status 0 run
[ "$(claims g-3 | wc -l)" -eq 3 ]
[ "$(images)" -eq 6 ]

echo "== a killed run goes on"
out=$tmp/out6
make_plan "$tmp/ova" g-1 g-2 g-3 >"$tmp/plan.yaml"
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 2M >"$tmp/log" 2>&1 &
pid=$!
for ((i = 0; i < 600; i++)); do
  if grep -qs '"created"' "$out"/.nbdlift/.shared/target/*/journal.json; then
    break
  fi
  kill -0 "$pid" || { cat "$tmp/log"; fail "it ended too early"; }
  sleep 0.05
done
sleep 1
kill -KILL "$pid"
wait "$pid" || true
wait_no_servers
echo "== then one VM is cancelled: what others use stays"
"$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out" --vm g-1
[ -z "$(find "$out" -path '*g-1-disk-0*')" ] || fail "a volume of g-1 stays"
[ "$(find "$out/target" -name '.owner.json' -exec grep -l 'shared disk' \
     {} + | wc -l)" -eq 3 ] || fail "a shared volume is gone"
expect_status 0 run
in_a_circle

echo "== cancel while it runs: the others go on"
out=$tmp/out7
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 4M >"$tmp/log" 2>&1 &
pid=$!
for ((i = 0; i < 600; i++)); do
  if grep -qs '"created"' "$out"/.nbdlift/.shared/target/*/journal.json; then
    break
  fi
  kill -0 "$pid" || { cat "$tmp/log"; fail "it ended too early"; }
  sleep 0.05
done
"$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out" --vm g-1
status=0
wait "$pid" || status=$?
cat "$tmp/log"
[ "$status" -eq 8 ] || fail "status $status"
[ ! -e "$out/target/g-1.yaml" ]
[ "$(claim_of g-2 1)" = "$(claim_of g-3 2)" ] || fail "disk 5 is not one"
same_disk "$tmp/4.raw" "$(volume_of "$out" g-2 2)"
same_disk "$tmp/5.raw" "$(volume_of "$out" g-2 1)"
same_disk "$tmp/6.raw" "$(volume_of "$out" g-3 1)"
# And again, with it.
expect_status 0 run
in_a_circle

echo "== cancelled all, nothing is left"
out=$tmp/out8
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 2M >"$tmp/log" 2>&1 &
pid=$!
for ((i = 0; i < 600; i++)); do
  if grep -qs '"created"' "$out"/.nbdlift/.shared/target/*/journal.json; then
    break
  fi
  sleep 0.05
done
kill -KILL "$pid"
wait "$pid" || true
wait_no_servers
"$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out"
left=$(find "$out" -name '*disk*'; find "$out" -name .shared)
[ -z "$left" ] || fail "left behind: $left"

# brought: what plan1 has brought, each file with its digest.
brought () {
  find "$out/target" \( -path '*/plan1-*' -o -name 'g-[12].yaml' \) -type f \
    -exec sha256sum {} + | sort -k 2
}

echo "== it has changed on the source since"
out=$tmp/out10
expect_status 0 "$NBDLIFT" run "$tmp/plan1.yaml" --output "$out"
brought >"$tmp/before"
grep -q g-2.yaml "$tmp/before" || fail "plan1 has brought nothing"
touch -d '2 hours' "$tmp/ova/g.ova"
for migrate in true false; do
  plan_name=plan2 plan_spec="skipGuestConversion: true
migrateSharedDisks: $migrate" make_plan "$tmp/ova" g-3 >"$tmp/plan2.yaml"
  expect_error 'has changed on the source .*another VM uses that copy' \
    "$NBDLIFT" run "$tmp/plan2.yaml" --output "$out"
  [ "$status" -eq 1 ] || fail "status $status"
  [ ! -e "$out/target/g-3.yaml" ]
  brought | diff -u "$tmp/before" -
done
same_disk "$tmp/5.raw" "$(volume_of "$out" g-2 1)"

echo "== a boot disk that is shared cannot be converted"
make_ova --name b --format raw --systems 2 --attach 2:1 \
  "$tmp/ova/b.ova" "$tmp/1.raw"
plan_name=boot plan_spec='skipGuestConversion: false' \
  make_plan "$tmp/ova" b-1 >"$tmp/boot.yaml"
expect_error 'shared disk .* is what the VM boots from' \
  "$NBDLIFT" check "$tmp/boot.yaml"
[ "$status" -eq 3 ]

echo "== virt-v2v sees a shared disk, and does not change it"
requires qemu-img
requires qemu-io
mkdir "$tmp/bin"
cat >"$tmp/bin/virt-v2v-in-place" <<'SH'
#!/bin/bash
for a; do
  case $a in --machine-readable=fd:*) fd=${a#*fd:} ;; esac
  xml=$a
done
echo '{ "message": "Opening the source", "type": "message" }' >&"$fd"
echo "i_root = ${FAKE_ROOT:-/dev/sda1}"
files=$(sed -n 's|.*source file=.\([^"'\'']*\)["'\''].*|\1|p' "$xml")
# The own disk of a VM is the first one.
[ -z "${FAKE_SHARED_ONLY:-}" ] || files=${files#*$'\n'}
for f in $files; do
  qemu-io -f qcow2 -c 'write -q -P 0x5a 0 64k' "$f" || exit 1
  echo "$f" >>"$FAKE_DISKS"
done
echo 'i_osinfo = debian12'
SH
chmod +x "$tmp/bin/virt-v2v-in-place"
out=$tmp/out9
plan_spec='skipGuestConversion: false' make_plan "$tmp/ova" g-1 g-2 g-3 \
  >"$tmp/plan.yaml"
PATH=$tmp/bin:$PATH FAKE_DISKS=$tmp/disks FAKE_ROOT=/dev/sdb2 \
  expect_status 6 run
[ "$(grep -c "system is on /dev/sdb2, .* other VMs share" <<<"$output")" -ge \
  3 ] || fail "not said of each"
same_disk "$tmp/5.raw" "$out/target/plan1-g-2-disk-1/disk.img"
# A logical volume can be anywhere.
PATH=$tmp/bin:$PATH FAKE_DISKS=$tmp/disks FAKE_ROOT=/dev/vg/root \
  FAKE_SHARED_ONLY=1 expect_status 6 run
[ "$(grep -c "system is on /dev/vg/root, .* other VMs share" \
  <<<"$output")" -ge 3 ] || fail "not said of each"
same_disk "$tmp/5.raw" "$out/target/plan1-g-2-disk-1/disk.img"
rm "$tmp/disks"
PATH=$tmp/bin:$PATH FAKE_DISKS=$tmp/disks FAKE_ROOT=/dev/vg/root \
  expect_status 0 run
[ "$(wc -l <"$tmp/disks")" -eq 9 ] || fail "virt-v2v did not see all disks"
head -c 65536 /dev/zero | tr '\0' Z >"$tmp/mark"
for vm in 1 2 3; do
  cmp -n 65536 "$(volume_of "$out" "g-$vm" 0)" "$tmp/mark" ||
    fail "the own disk of g-$vm is not converted"
done
same_disk "$tmp/4.raw" "$(volume_of "$out" g-1 1)"
same_disk "$tmp/5.raw" "$(volume_of "$out" g-2 1)"
same_disk "$tmp/6.raw" "$(volume_of "$out" g-3 1)"
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"

echo "== it has changed, and a VM that is not migrated yet uses it"
out=$tmp/out11
plan_spec='skipGuestConversion: false' make_plan "$tmp/ova" g-1 \
  >"$tmp/plan1.yaml"
PATH=$tmp/bin:$PATH FAKE_DISKS=$tmp/disks FAKE_ROOT=/dev/sdb2 \
  expect_status 6 "$NBDLIFT" run "$tmp/plan1.yaml" --output "$out"
volume=$out/target/plan1-g-1-disk-2/disk.img
same_disk "$tmp/6.raw" "$volume"
make_disk "$tmp/new.raw" 8M 3000000
make_ova --name g --format raw --systems 3 --attach 2:4 --attach 3:5 \
  --attach 1:6 "$tmp/ova/g.ova" "$tmp"/[1-5].raw "$tmp/new.raw"
touch -d '4 hours' "$tmp/ova/g.ova"
brought >"$tmp/before"
# plan2: of g-3, with migrateSharedDisks as $1.
plan2 () {
  plan_name=plan2 plan_spec="skipGuestConversion: true
migrateSharedDisks: $1" make_plan "$tmp/ova" g-3 >"$tmp/plan2.yaml"
}
plan2 true
expect_error 'has changed on the source .*another VM uses that copy' \
  "$NBDLIFT" run "$tmp/plan2.yaml" --output "$out"
[ "$status" -eq 1 ] || fail "status $status"
brought | diff -u "$tmp/before" -

echo "== it has changed, and nobody else uses it any more: copied again"
# As that message says.
"$NBDLIFT" cancel "$tmp/plan1.yaml" --output "$out"
same_disk "$tmp/6.raw" "$volume"
plan2 false
expect_error 'has changed on the source .*migrateSharedDisks is false' \
  "$NBDLIFT" run "$tmp/plan2.yaml" --output "$out"
[ "$status" -eq 1 ] || fail "status $status"
same_disk "$tmp/6.raw" "$volume"
plan2 true
expect_status 0 "$NBDLIFT" run "$tmp/plan2.yaml" --output "$out"
expect_output 'has changed on the source .*it is copied again'
[ "$(plan_name=plan2 volume_of "$out" g-3 1)" = "$volume" ] ||
  fail "another volume"
same_disk "$tmp/new.raw" "$volume"
same_disk "$tmp/3.raw" "$(plan_name=plan2 volume_of "$out" g-3 0)"
same_disk "$tmp/5.raw" "$(plan_name=plan2 volume_of "$out" g-3 2)"
expect_status 0 "$NBDLIFT" verify "$tmp/plan2.yaml" --output "$out"
# The first plan attaches what there is now.
make_plan "$tmp/ova" g-1 >"$tmp/plan1.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan1.yaml" --output "$out"
expect_output 'attached as .*copied already'
[ "$(claim_of g-1 2)" = "$(claim_of g-3 1)" ] || fail "disk 6 is not one"
same_disk "$tmp/new.raw" "$(volume_of "$out" g-1 2)"
[ "$(images)" -eq 5 ] || fail "$(images) volumes"

echo "ok"
