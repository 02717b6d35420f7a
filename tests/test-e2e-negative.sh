#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 900
#
# The negative control of the boot tests: with skipGuestConversion the same
# guest is copied as it is, boots on the hardware it came from, and does not
# find its disk on virtio.

source ./tests/functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh

tmpdir
guest bios
make_ova --name web --firmware bios "$tmp/web.ova" "$guest"
plan_spec='skipGuestConversion: true'
make_plan "$tmp/web.ova" web >"$tmp/plan.yaml"
"$NBDLIFT" run -q "$tmp/plan.yaml" --output "$tmp/out"

disk=$(volume_of "$tmp/out" web 0)
same_disk "$guest" "$disk"
"$NBDLIFT" verify "$tmp/plan.yaml" --output "$tmp/out"

boots "$tmp/vmware.log" --hardware vmware "$disk"
reported "$tmp/vmware.log" 'disk=sda drivers=.*vmw_pvscsi.*'

tests/tools/boot-guest.sh --until 'login: |[(]initramfs[)]' \
  --log "$tmp/virtio.log" "$disk"
tail -n 5 "$tmp/virtio.log"
grep -aq 'ALERT!.*does not exist' "$tmp/virtio.log" ||
  fail "the guest found its disk without conversion"
