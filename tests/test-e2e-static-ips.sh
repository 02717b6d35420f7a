#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 1500
#
# A real guest whose addresses are bound to the name that its network card
# has on a VMware host, from a simulated vCenter that knows the addresses:
# with preserveStaticIPs it has them on its new card.  Without what nbdlift
# wrote it has not, so that it is this that does it.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh
source ./tests/vsphere-functions.sh

requires debugfs -V
tmpdir
guest static-networkd
mac=00:50:56:aa:bb:01
other_mac=00:50:56:aa:bb:02

# The second card has no address, and no configuration.
cat >"$tmp/vc.json" <<EOF
{"datacenters": [{"name": "DC0", "hosts": [{"name": "DC0_H0"}],
   "datastores": [{"name": "datastore1"}],
   "networks": [{"name": "VM Network"}, {"name": "DMZ"}]}],
 "vms": [
  {"name": "web", "power": "on", "tools": "running", "gateway": "10.0.2.2",
   "guestId": "debian12_64Guest", "hostName": "guest",
   "disks": [{"file": "$guest"}],
   "nics": [{"network": "VM Network", "mac": "$mac",
             "ips": [{"address": "10.0.2.50", "prefix": 24},
                     {"address": "fd00::50", "prefix": 64}]},
            {"network": "DMZ", "mac": "$other_mac"}]}],
 "settings": {"shutdown_s": 1}}
EOF
start_vcsim "$tmp/vc.json"
vsphere_networks="[{source: {name: VM Network}, destination: {type: pod}},
  {source: {name: DMZ},
   destination: {type: multus, namespace: target, name: dmz}}]"
plan_spec='preserveStaticIPs: true' vsphere_plan "name: web" \
  >"$tmp/plan.yaml"

expect_status 0 "$NBDLIFT" check "$tmp/plan.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
expect_output "$mac: 10\.0\.2\.50/24, fd00::50/64 stay on ens192"
expect_status 0 "$NBDLIFT" status "$tmp/plan.yaml" --output "$tmp/out" -f json
expect_output "\"reason\": \"$mac: 10\.0\.2\.50/24, fd00::50/64 stay on ens192"
journal=$(find "$tmp/out" -name journal.json)
jq -e --arg line "$mac: 10.0.2.50/24, fd00::50/64 stay on ens192" \
  '.conversion | .addressesKept == [$line] and .addressesLost == []' "$journal"
volume=$(volume_of "$tmp/out" web 0)
boots "$tmp/kept.log" --nic $mac --nic $other_mac "$volume"
reported "$tmp/kept.log" "nic=ens192 mac=$mac drivers=virtio_net,.*\
 address=10.0.2.50/24 address6=fd00::50/64 gateway=10.0.2.2"
reported "$tmp/kept.log" "nic=en[a-z0-9]+ mac=$other_mac .*\
 address= address6= gateway="
reported "$tmp/kept.log" 'failed-units= *'

# Its root is at 65 MiB (see make-guest.sh).
for file in /etc/udev/rules.d/70-nbdlift-net.rules \
            /etc/systemd/network/10-nbdlift-ens192.link; do
  debugfs -R "cat $file" "$volume?offset=$((65 << 20))" | grep "$mac"
  debugfs -w -R "rm $file" "$volume?offset=$((65 << 20))"
done
boots "$tmp/lost.log" --nic $mac --nic $other_mac "$volume"
reported "$tmp/lost.log" "nic=enp[a-z0-9]+ mac=$mac .*\
 address= address6= gateway="
