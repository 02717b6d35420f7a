#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 1500
#
# Static addresses that the source knows nothing of: an OVA file with a
# guest that Debian's ifupdown configures.  It has one network card, so
# there is no doubt which one is meant.

source ./tests/functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh

tmpdir
guest static-ifupdown
mac=00:50:56:aa:bb:01
static="address=10.0.2.50/24 address6=fd00::50/64 gateway=10.0.2.2"

# It is as it would be on a VMware host.
boots "$tmp/vmware.log" --hardware vmware --nic $mac "$guest"
reported "$tmp/vmware.log" "nic=ens192 mac=$mac drivers=vmxnet3,.* $static"

make_ova --name web --firmware bios --nic "VM Network,$mac" "$tmp/web.ova" \
  "$guest"
plan_spec='preserveStaticIPs: true' make_plan "$tmp/web.ova" web \
  >"$tmp/plan.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
expect_output 'warning: .*the source does not say which addresses'
expect_output "$mac: 10\.0\.2\.50/24 stays on ens192"

boots "$tmp/virtio.log" --nic $mac "$(volume_of "$tmp/out" web 0)"
reported "$tmp/virtio.log" "nic=ens192 mac=$mac drivers=virtio_net,.* $static"
reported "$tmp/virtio.log" 'failed-units= *'
