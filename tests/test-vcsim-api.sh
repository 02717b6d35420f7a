#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The vCenter simulator's own test, part one: the API.  What other tests
# rely on must be so, or they test nothing.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
requires xmllint
tmpdir

truncate -s 4M "$tmp/one.raw"
cat >"$tmp/vc.json" <<EOF
{"datacenters": [
   {"name": "DC/1", "folder": "lab",
    "hosts": [{"name": "esx-a", "cluster": "C0"},
              {"name": "esx-b", "cluster": "C0"}],
    "networks": [{"name": "Lab Net"}, {"name": "DVPG", "dvs": "DVS"},
                 {"name": "NSX", "opaque": true}]}],
 "esx": [{"host": "esx-a"}],
 "vms": [
   {"name": "vm 1%", "moref": "vm-4711", "folder": "a/b", "power": "on",
    "cpus": 4, "coresPerSocket": 2, "memoryMB": 3072, "firmware": "efi",
    "secureBoot": true, "tpm": true, "gateway": "10.0.0.1",
    "disks": [{"file": "$tmp/one.raw"},
              {"file": "$tmp/one.raw", "bus": "sata", "unit": 3}],
    "nics": [{"network": "Lab Net", "mac": "00:50:56:aa:00:01",
              "ips": [{"address": "10.0.0.5", "prefix": 24}]},
             {"network": "DVPG"}, {"network": "NSX"}]},
   {"name": "other", "host": "esx-b",
    "disks": [{"file": "$tmp/one.raw"}]}]}
EOF
start_vcsim "$tmp/vc.json"
vcsim_session vc


vm=$(vcsim_vm 'vm 1%' .moref)
[ "$vm" = vm-4711 ] || fail "the moRef is $vm"
[ "$(vcsim_vm 'vm 1%' .dcPath)" = lab/DC%2f1 ] || fail "wrong dcPath"

# Sessions
vcsim_expect '<apiType>VirtualCenter<' \
  vcsim_call RetrieveServiceContent ServiceInstance ServiceInstance
vcsim_expect NotAuthenticatedFault \
  vcsim_call CurrentTime ServiceInstance ServiceInstance
vcsim_expect NotAuthenticatedFault vcsim_props VirtualMachine "$vm" name
vcsim_expect InvalidLoginFault vcsim_login "$vc_user" wrong
vcsim_expect LoginResponse vcsim_login "$vc_user" "$vc_password"
vcsim_expect InvalidLoginFault vcsim_login "$vc_user" "$vc_password"
vcsim_expect CurrentTimeResponse \
  vcsim_call CurrentTime ServiceInstance ServiceInstance
vcsim_expire
vcsim_expect NotAuthenticatedFault \
  vcsim_call CurrentTime ServiceInstance ServiceInstance
rm "$vcsim_jar"
vcsim_set '{"session_idle_s": 0.2}'
vcsim_expect LoginResponse vcsim_login "$vc_user" "$vc_password"
sleep 0.4
vcsim_expect NotAuthenticatedFault \
  vcsim_call CurrentTime ServiceInstance ServiceInstance
vcsim_set '{"session_idle_s": 0}'
rm "$vcsim_jar"
vcsim_expect LoginResponse vcsim_login "$vc_user" "$vc_password"
[ "$(vcsim_counter logins)" -eq 3 ] || fail "logins: $(vcsim_counters)"
[ "$(vcsim_counter failed_logins)" -eq 2 ] || fail "$(vcsim_counters)"
[ "$(vcsim_counter sessions_expired)" -eq 2 ] || fail "$(vcsim_counters)"
[ "$(vcsim_counter sessions)" -eq 1 ] || fail "sessions: $(vcsim_counters)"

# The inventory
vcsim_expect ">$vm<" vcsim_call FindByInventoryPath SearchIndex SearchIndex \
  '<inventoryPath>lab/DC%2f1/vm/a/b/vm 1%25</inventoryPath>'
vcsim_expect ">$vm<" vcsim_call FindByUuid SearchIndex SearchIndex \
  "<uuid>$(vcsim_vm 'vm 1%' .instanceUuid)</uuid><vmSearch>true</vmSearch
><instanceUuid>true</instanceUuid>"
vcsim_props VirtualMachine "$vm" config guest summary.config.tpmPresent \
  network datastore layoutEx >"$tmp/vm.xml"
while IFS='|' read -r path want; do
  got=$(vcsim_xpath "$path" <"$tmp/vm.xml")
  [ "$got" = "$want" ] || fail "$path is '$got', not '$want'"
done <<'EOF'
//val/hardware/numCPU|4
//val/hardware/numCoresPerSocket|2
//val/hardware/memoryMB|3072
//val/firmware|efi
//val/bootOptions/efiSecureBootEnabled|true
//device[key=2000]/backing/fileName|[datastore1] vm 1%/vm 1%.vmdk
//device[key=2000]/capacityInBytes|4194304
//device[key=16003]/unitNumber|3
//device[key=4000]/macAddress|00:50:56:aa:00:01
//device[key=4000]/backing/deviceName|Lab Net
//val/net[deviceConfigId=4000]/ipConfig/ipAddress/prefixLength|24
//val/ipStack/ipRouteConfig/ipRoute/gateway/ipAddress|10.0.0.1
//propSet[name="summary.config.tpmPresent"]/val|true
count(//propSet[name="network"]/val/ManagedObjectReference)|3
count(//val/file[type="diskExtent"])|2
count(//device[@*[local-name()="type"]="VirtualTPM"])|1
EOF

# Pages and gaps
folder=$(vcsim_call FindByInventoryPath SearchIndex SearchIndex \
  '<inventoryPath>lab/DC%2f1/vm</inventoryPath>' |
  vcsim_xpath //returnval)
all="<specSet><propSet><type>VirtualMachine</type><pathSet>name</pathSet
><pathSet>config.uuid</pathSet></propSet>$(for id in "$vm" \
  "$(vcsim_vm other .moref)"; do
  echo "<objectSet><obj type=\"VirtualMachine\">$id</obj></objectSet>"
done)</specSet><options/>"
[ -n "$folder" ] || fail "no folder of VMs"
vcsim_set '{"page_size": 1, "missing": ["VirtualMachine:config"]}'
vcsim_expect '<token>0</token>' vcsim_call RetrievePropertiesEx \
  PropertyCollector propertyCollector "$all"
vcsim_and_expect '<missingSet><path>config.uuid</path><fault>'
vcsim_and_expect '<fault xsi:type="NoPermission">'
[ "$(grep -o '<objects>' "$tmp/answer" | wc -l)" -eq 1 ] || fail "no page"
vcsim_expect '>other<' vcsim_call ContinueRetrievePropertiesEx \
  PropertyCollector propertyCollector '<token>0</token>'
vcsim_expect InvalidArgumentFault vcsim_call ContinueRetrievePropertiesEx \
  PropertyCollector propertyCollector '<token>0</token>'
vcsim_set '{"page_size": 100, "missing": []}'
vcsim_expect 'ManagedObjectReference xsi:type="ManagedObjectReference"' \
  vcsim_props VirtualMachine "$vm" network

# Power
power () {
  vcsim_props VirtualMachine "$vm" runtime.powerState | vcsim_xpath //val
}
vcsim_set '{"shutdown_s": -1}'
vcsim_expect ShutdownGuestResponse vcsim_call ShutdownGuest VirtualMachine "$vm"
sleep 0.3
[ "$(power)" = poweredOn ] || fail "a guest that never ends did"
vcsim_set '{"shutdown_s": 3}'
vcsim_expect ShutdownGuestResponse vcsim_call ShutdownGuest VirtualMachine "$vm"
[ "$(power)" = poweredOn ] || fail "the guest was off at once"
vcsim_eventually poweredOff power
vcsim_expect InvalidPowerStateFault vcsim_call ShutdownGuest VirtualMachine "$vm"

task_info () {
  vcsim_props Task "$1" info
}
vcsim_set '{"task_delay_ms": 5000}'
task=$(vcsim_call PowerOnVM_Task VirtualMachine "$vm" | vcsim_xpath //returnval)
vcsim_expect '<state>queued<' task_info "$task"
vcsim_eventually '<state>running<' task_info "$task"
vcsim_eventually '<state>success<' task_info "$task"
[ "$(power)" = poweredOn ] || fail "not powered on"
vcsim_set '{"task_delay_ms": 0}'
vcsim_rule '{"where": "sdk", "method": "PowerOffVM_Task", "count": 1,
  "task_fault": "TaskInProgress"}'
task=$(vcsim_call PowerOffVM_Task VirtualMachine "$vm" |
  vcsim_xpath //returnval)
vcsim_expect 'fault xsi:type="TaskInProgress"' task_info "$task"
[ "$(power)" = poweredOn ] || fail "a task that failed did its work"
vcsim_rule '{"where": "sdk", "method": "CurrentTime", "count": 1,
  "fault": "NoPermission", "message": "no <way>"}'
vcsim_expect 'no &lt;way&gt;' vcsim_call CurrentTime ServiceInstance \
  ServiceInstance
vcsim_and_expect 'NoPermissionFault'
vcsim_expect CurrentTimeResponse \
  vcsim_call CurrentTime ServiceInstance ServiceInstance
[ "$(vcsim_counter 'power:vm 1%')" -eq 2 ] || fail "$(vcsim_counters)"
vcsim_expect LogoutResponse vcsim_logout
expect_no_sessions

# A host
vcsim_session esx
vcsim_expect '<apiType>HostAgent<' \
  vcsim_call RetrieveServiceContent ServiceInstance ServiceInstance
vcsim_expect InvalidLoginFault vcsim_login "$vc_user" "$vc_password"
vcsim_expect LoginResponse vcsim_login "$esx_user" "$esx_password"
vcsim_expect 'type="VirtualMachine">1<' vcsim_call FindByInventoryPath \
  SearchIndex ha-searchindex \
  '<inventoryPath>ha-datacenter/vm/vm 1%25</inventoryPath>'
vcsim_expect '>vm 1%25<' vcsim_props VirtualMachine 1 name
vcsim_expect '>ha-host<' vcsim_props VirtualMachine 1 runtime.host
vcsim_expect NotImplementedFault vcsim_call SessionIsActive SessionManager \
  ha-sessionmgr '<sessionID>x</sessionID><userName>x</userName>'
vcsim_expect LogoutResponse vcsim_logout
expect_no_sessions
vcsim_session vc
vcsim_expect LoginResponse vcsim_login "$vc_user" "$vc_password"
host=$(vcsim_props VirtualMachine "$vm" runtime.host | vcsim_xpath //val)
vcsim_expect "$esx_thumbprint" \
  vcsim_props HostSystem "$host" summary.config.sslThumbprint

# Nothing is left behind, even if the parent is killed.
stop_vcsim
[ ! -e "$tmp/vcsim" ] || fail "the folder is left"
(
  "$BUILD/vcsim" -dir "$tmp/orphan" >"$tmp/orphan.json" &
  for ((i = 0; i < 100; i++)); do
    [ ! -s "$tmp/orphan.json" ] || break
    sleep 0.1
  done
) &
wait $! || fail "no orphan"
pid=$(jq .pid "$tmp/orphan.json")
# Where nobody reaps orphans, one that has ended is a zombie.
for ((i = 0; i < 100; i++)); do
  grep -Eqs '^State:.*(running|sleeping)' "/proc/$pid/status" || break
  sleep 0.1
done
[ "$i" -lt 100 ] || fail "the orphan $pid still runs"
[ ! -e "$tmp/orphan" ] || fail "the orphan's folder is left"
echo '{"vmz": []}' >"$tmp/bad.json"
expect_error 'unknown field "vmz"' "$BUILD/vcsim" -config "$tmp/bad.json"
