#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A target that is full: known beforehand, and in the middle of the copy.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
requires_root

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova" "$tmp/mnt"
mount -t tmpfs -o size=20m tmpfs "$tmp/mnt" || skip "cannot mount a tmpfs"
cleanup_fn umount "$tmp/mnt"

make_disk "$tmp/small.raw" 2M 300000
make_disk "$tmp/big.raw" 64M 40000000
# populatedSize of the OVF tells the driver how much is coming.
make_ova --name big --format raw "$tmp/ova/big.ova" "$tmp/big.raw"
make_ova --name small "$tmp/ova/small.ova" "$tmp/small.raw"
make_plan "$tmp/ova" small big >"$tmp/plan.yaml"
out=$tmp/mnt/out

expect_error '20(.0)? MiB free, but the disks hold' "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
[ "$status" -eq 5 ] || fail "status $status"
[ -z "$(find "$out" -name '*.img*')" ] || fail "a volume was made"
rm -rf "$out"

# The same without the size: it is found in the middle.  The state is
# elsewhere, so that the journal can still be written.
mkdir "$tmp/x"
tar -C "$tmp/x" -xf "$tmp/ova/big.ova"
sed -i 's/ovf:populatedSize="[0-9]*"//' "$tmp"/x/*.ovf
rm "$tmp/ova/big.ova"
mkdir "$tmp/ova/big"
cp "$tmp"/x/*.ovf "$tmp"/x/*.img "$tmp/ova/big/"
# The small one is done before, or both run out of space together.
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" \
  --state "$tmp/state" --vm small
expect_error 'error: big: DiskTransfer: .*[Nn]o space' \
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --state "$tmp/state"
[ "$status" -eq 7 ] || fail "status $status"
expect_output '^small: Succeeded'
# What was copied of the big one is kept, unfinished.
[ -n "$(find "$out" -path '*big*' -name '.disk.img.partial')" ] ||
  fail "the partial volume was removed"
[ -z "$(find "$out" -path '*big*' -name 'disk.img')" ] ||
  fail "the partial volume is final"
no_servers

# With more space the next run does it.
mount -o remount,size=200m "$tmp/mnt"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" \
  --state "$tmp/state"
expect_output '^big: Succeeded'
expect_output '^small: Succeeded, nothing to copy'
volume=$(jq -r '.disks[0].volume' \
            "$tmp/state/mig/plan1/vms/big/journal.json")
same_disk "$tmp/big.raw" "$volume"
