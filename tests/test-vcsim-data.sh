#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The vCenter simulator's own test, part two: data by /folder and by export
# leases, chains of deltas, changed areas, and all that can go wrong.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
requires xmllint
requires qemu-img
tmpdir

# Three levels of one disk: base, COWD, seSparse.
"$PYTHON" - "$tmp" <<'EOF'
import random, sys
random.seed(4)
disk = bytearray(5 << 20)
disk[1 << 20:(1 << 20) + 100000] = random.randbytes(100000)
def save(name):
    with open(f"{sys.argv[1]}/{name}.raw", "wb") as f:
        f.truncate(len(disk))
        for at in range(0, len(disk), 4096):
            block = bytes(disk[at:at + 4096])
            if any(block):
                f.seek(at)
                f.write(block)
save("base")
for name, unit in ("one", 512), ("two", 4096):
    for i in range(60):
        at = random.randrange(len(disk) // unit) * unit
        disk[at:at + unit] = random.randbytes(unit)
    disk[(1 << 20) + 8192:(1 << 20) + 16384] = bytes(8192)
    save(name)
EOF
cat >"$tmp/vc.json" <<EOF
{"esx": [{}],
 "datacenters": [{"name": "DC 1", "folder": "lab",
                  "datastores": [{"name": "datastore1"},
                                 {"name": "ds é+50%/1"}]}],
 "vms": [
   {"name": "flat", "changeTracking": true,
    "disks": [{"file": "$tmp/base.raw", "datastore": "ds é+50%/1"}]},
   {"name": "chain", "changeTracking": true, "snapshots": ["a", "b"],
    "disks": [{"file": "$tmp/base.raw",
               "links": [{"type": "vmfsSparse", "data": "$tmp/one.raw"},
                         {"type": "seSparse", "data": "$tmp/two.raw"}]}]},
   {"name": "vsan", "disks": [{"file": "$tmp/base.raw", "noExtent": true}]},
   {"name": "rdm", "disks": [{"file": "$tmp/base.raw", "rdm": "physical"}]}]}
EOF
start_vcsim "$tmp/vc.json"
vcsim_session vc

vcsim_expect LoginResponse vcsim_login "$vc_user" "$vc_password"

# get STATUS PATH [CURL OPTIONS]: of a datastore; body and head are kept.
query='dcPath=lab%2FDC%201&dsName=datastore1'
get () {
  local want=$1 path=$2 status
  shift 2
  rm -f "$tmp/body" "$tmp/head"
  curl_status=0
  status=$(curl -sS --cacert "$vc_cafile" -b "$vcsim_jar" -o "$tmp/body" \
    -D "$tmp/head" -w '%{http_code}' "$@" \
    "https://$vc_host/folder/$path?$query" 2>"$tmp/curl.err") ||
    curl_status=$?
  [ "$status" = "$want" ] || fail "$status instead of $want for $path"
}
header () {
  sed -n "s/^$1: \(.*\)\r$/\1/Ip" "$tmp/head"
}

# What a client reads is the file, whole or in part.
get 200 chain/chain-flat.vmdk
cmp "$tmp/body" "$tmp/base.raw"
get 206 chain/chain-flat.vmdk -r 1048576-1048599
[ "$(header content-range)" = 'bytes 1048576-1048599/5242880' ] ||
  fail "$(cat "$tmp/head")"
cmp "$tmp/body" <(tail -c +1048577 "$tmp/base.raw" | head -c 24)
get 206 chain/chain-flat.vmdk -r -5
get 416 chain/chain-flat.vmdk -r 5242880-
get 404 chain/nothing.vmdk
get 404 ../../../../../../etc/passwd --path-as-is
get 200 chain/chain-flat.vmdk -I
[ "$(header content-length)" = 5242880 ] || fail "$(cat "$tmp/head")"
get 200 chain/chain.vmx
grep -qx 'displayName = "chain"' "$tmp/body" || fail "$(cat "$tmp/body")"
get 404 vsan/vsan-flat.vmdk
get 200 vsan/vsan.vmdk
grep -q '^RW 10240 VMFS "vsan://' "$tmp/body" || fail "$(cat "$tmp/body")"
get 200 rdm/rdm.vmdk
grep -q '^RW 10240 VMFSRDM "rdm-rdm' "$tmp/body" || fail "$(cat "$tmp/body")"

# Who may read
vcsim_jar=/dev/null get 401 chain/chain.vmdk
[ "$(header www-authenticate)" = 'Basic realm="VMware HTTP server"' ] ||
  fail "$(cat "$tmp/head")"
vcsim_jar=/dev/null get 401 chain/chain.vmdk --user "$vc_user:wrong"
vcsim_jar=/dev/null get 200 chain/chain.vmdk --user "$vc_user:$vc_password"
header set-cookie | grep -Eqx \
  'vmware_soap_session="[-0-9a-f]{36}"; Path=/; HttpOnly; Secure;' ||
  fail "$(cat "$tmp/head")"

# Awkward names, escaped once or twice
once='dcPath=lab%2FDC%201&dsName=ds%20%C3%A9%2B50%25%2F1'
twice='dcPath=lab%252FDC%25201&dsName=ds%2520%25C3%25A9%252B50%2525%252F1'
query=$once get 200 flat/flat-flat.vmdk
query=$twice get 404 flat/flat-flat.vmdk
vcsim_set '{"double_escape": true}'
query=$once get 404 flat/flat-flat.vmdk
query=$twice get 200 flat/flat-flat.vmdk
vcsim_set '{"double_escape": false}'

# A VM that is on
vcsim_power chain on
get 500 chain/chain-flat.vmdk
get 500 chain/chain-000001-delta.vmdk
get 200 chain/chain.vmdk
vcsim_set '{"lock": "top"}'
get 200 chain/chain-flat.vmdk
get 500 chain/chain-000002-sesparse.vmdk
vcsim_set '{"lock": "all"}'
vcsim_power chain off
[ "$(vcsim_counter locked)" -eq 3 ] || fail "locked: $(vcsim_counters)"

# qemu reads the chain from the folder as it is meant.
for link in :base -000001:one -000002:two; do
  qemu-img convert -f vmdk -O raw \
    "$tmp/vcsim/ds-1/chain/chain${link%:*}.vmdk" "$tmp/out.raw"
  cmp "$tmp/out.raw" "$tmp/${link#*:}.raw"
done

# Requests that go wrong, each in its way, then right again
flat=chain/chain-flat.vmdk
rule () {
  vcsim_clear_rules
  vcsim_rule "{\"path\": \"-flat\", \"count\": 1, $1}"
}
rule '"status": 503, "retry_after": "2"'
get 503 "$flat"
[ "$(header retry-after)" = 2 ] || fail "$(cat "$tmp/head")"
get 200 "$flat"
rule '"status": 401, "skip": 1'
get 206 "$flat" -r 0-9
get 401 "$flat" -r 0-9
get 206 "$flat" -r 0-9
rule '"truncate": 1000'
get 206 "$flat" -r 0-4095
[ "$curl_status" -ne 0 ] || fail "nothing was cut off"
[ "$(stat -c %s "$tmp/body")" -eq 1000 ] || fail "cut off elsewhere"
rule '"ignore_range": true'
get 200 "$flat" -r 0-9
[ "$(stat -c %s "$tmp/body")" -eq 5242880 ] || fail "not all of it"
rule '"start_off": 512'
get 206 "$flat" -r 0-9
[ "$(header content-range)" = 'bytes 512-521/5242880' ] ||
  fail "$(cat "$tmp/head")"
rule '"total_off": -512'
get 206 "$flat" -r 0-9
[ "$(header content-range)" = 'bytes 0-9/5242368' ] ||
  fail "$(cat "$tmp/head")"
rule '"no_content_range": true'
get 206 "$flat" -r 0-9
[ -z "$(header content-range)" ] || fail "$(cat "$tmp/head")"
rule '"status": 302, "location": "https://127.0.0.2/x"'
get 302 "$flat"
[ "$(header location)" = https://127.0.0.2/x ] || fail "$(cat "$tmp/head")"
rule '"reset": true'
get 000 "$flat"
rule '"garbage": "<html>no</html>"'
get 200 "$flat"
[ "$(cat "$tmp/body")" = '<html>no</html>' ] || fail "$(cat "$tmp/body")"
rule '"status": 503, "offset": 5000'
get 206 "$flat" -r 0-4999
get 503 "$flat" -r 4096-8191
vcsim_clear_rules
vcsim_rule '{"status": 503, "every": 3}'
for status in 206 206 503 206 206 503; do
  get "$status" "$flat" -r 0-9
done
vcsim_clear_rules
[ "$(vcsim_counter rules_fired)" -eq 13 ] || fail "$(vcsim_counters)"

vcsim_set '{"other_certificate": true}'
get 000 "$flat"
vcsim_set '{"other_certificate": false, "rate": 10000000}'
start=$(date +%s%N)
get 200 "$flat"
ms=$((($(date +%s%N) - start) / 1000000))
[ "$ms" -ge 450 ] || fail "5 MiB at 10 MB/s in $ms ms"
vcsim_set '{"rate": 0, "delay_ms": 200}'
start=$(date +%s%N)
get 206 "$flat" -r 0-9
ms=$((($(date +%s%N) - start) / 1000000))
[ "$ms" -ge 200 ] || fail "no delay: $ms ms"
vcsim_set '{"delay_ms": 4000, "max_connections": 1}'
get 206 "$flat" -r 0-9 &
until [ "$(vcsim_counter connections_open)" -eq 1 ]; do
  sleep 0.1
done
get 000 "$flat" -r 0-9
wait $!
vcsim_set '{"delay_ms": 0, "max_connections": 0}'
[ "$(vcsim_counter connections_refused)" -ge 1 ] || fail "$(vcsim_counters)"

# Changed areas
areas () {
  vcsim_call QueryChangedDiskAreas VirtualMachine "$1" \
    "<deviceKey>2000</deviceKey><startOffset>$2</startOffset
><changeId>$3</changeId>"
}
flat_vm=$(vcsim_vm flat .moref)
vcsim_expect '<changedArea><start>1048576</start><length>131072</length>' \
  areas "$flat_vm" 0 '*'
vcsim_expect InvalidArgumentFault areas "$flat_vm" 5242880 '*'
vcsim_expect FileFaultFault areas "$(vcsim_vm vsan .moref)" 0 '*'
vcsim_set '{"areas_per_reply": 1}'
at=0 n=0
while [ "$at" -lt 5242880 ]; do
  areas "$(vcsim_vm chain .moref)" "$at" '*' >"$tmp/answer"
  at=$((at + $(vcsim_xpath //returnval/length <"$tmp/answer")))
  n=$((n + 1))
done
[ "$n" -gt 5 ] || fail "only $n areas"
vcsim_set '{"areas_per_reply": 2000, "areas_fault": "FileFault"}'
vcsim_expect FileFaultFault areas "$flat_vm" 0 '*'
vcsim_set '{"areas_fault": ""}'

# A snapshot adds a delta and takes it away.
vcsim_expect Task vcsim_call CreateSnapshot_Task VirtualMachine "$flat_vm" \
  '<name>s</name><memory>false</memory><quiesce>false</quiesce>'
[ "$(vcsim_vm flat '.disks[0].file')" = \
  '[ds é+50%/1] flat/flat-000001.vmdk' ] || fail "$(vcsim_vm flat .)"
qemu-img compare -f vmdk "$tmp/vcsim/ds-2/flat/flat-000001.vmdk" \
  -F raw "$tmp/base.raw"
snapshot=$(vcsim_props VirtualMachine "$flat_vm" snapshot |
  vcsim_xpath //currentSnapshot)
vcsim_props VirtualMachine "$flat_vm" config.hardware.device >"$tmp/vm.xml"
[ "$(vcsim_xpath '//device[key=2000]/backing/parent/fileName |
  //VirtualDevice[key=2000]/backing/parent/fileName' <"$tmp/vm.xml")" = \
  '[ds é+50%/1] flat/flat.vmdk' ] || fail "$(cat "$tmp/vm.xml")"
change_id=$(vcsim_props VirtualMachineSnapshot "$snapshot" \
  config.hardware.device |
  vcsim_xpath '//VirtualDevice[key=2000]/backing/changeId')
grep -Eqx '([0-9a-f]{2} ){7}[0-9a-f]{2}-([0-9a-f]{2} ){7}[0-9a-f]{2}/1' \
  <<<"$change_id" || fail "changeId $change_id"
vcsim_expect '<length>5242880</length></returnval>' areas "$flat_vm" 0 "$change_id"
vcsim_expect InvalidArgumentFault areas "$flat_vm" 0 '52 00/1'
vcsim_expect Task vcsim_call RemoveSnapshot_Task VirtualMachineSnapshot \
  "$snapshot" '<removeChildren>false</removeChildren>'
[ "$(vcsim_vm flat '.disks[0].file')" = '[ds é+50%/1] flat/flat.vmdk' ] ||
  fail "$(vcsim_vm flat .)"

# Leases
new_lease () {
  lease=$(vcsim_call ExportVm VirtualMachine "$1" | vcsim_xpath //returnval)
}
lease_info () {
  vcsim_props HttpNfcLease "$lease" state info error
}
lease_call () {
  vcsim_call "$1" HttpNfcLease "$lease" "${2:-}"
}
vcsim_set '{"lease_ready_ms": 3000}'
chain_vm=$(vcsim_vm chain .moref)
new_lease "$chain_vm"
vcsim_expect '>initializing<' lease_info
vcsim_eventually '>ready<' lease_info
url=$(vcsim_xpath //deviceUrl/url <"$tmp/answer")
curl -sS --cacert "$vc_cafile" -D "$tmp/head" -o "$tmp/stream.vmdk" "$url"
[ "$(header transfer-encoding)" = chunked ] || fail "$(cat "$tmp/head")"
qemu-img convert -f vmdk -O raw "$tmp/stream.vmdk" "$tmp/out.raw"
cmp "$tmp/out.raw" "$tmp/two.raw"
vcsim_expect "$(sha1sum <"$tmp/stream.vmdk" | cut -d' ' -f1)" \
  lease_call HttpNfcLeaseGetManifest
vcsim_expect HttpNfcLeaseProgressResponse \
  lease_call HttpNfcLeaseProgress '<percent>50</percent>'
task=$(vcsim_call PowerOnVM_Task VirtualMachine "$chain_vm" |
  vcsim_xpath //returnval)
vcsim_expect InvalidState vcsim_props Task "$task" info
vcsim_expect HttpNfcLeaseCompleteResponse lease_call HttpNfcLeaseComplete
vcsim_expect InvalidStateFault lease_call HttpNfcLeaseComplete
[ "$(curl -sk -o /dev/null -w '%{http_code}' "$url")" = 404 ] ||
  fail "a lease that is complete still serves"
vcsim_set '{"lease_ready_ms": 0, "lease_host": "*"}'
new_lease "$chain_vm"
vcsim_expect '<url>https://*/nfc/' lease_info
vcsim_expect HttpNfcLeaseAbortResponse lease_call HttpNfcLeaseAbort
vcsim_set '{"lease_host": "esx0", "lease_timeout_s": 1}'
new_lease "$chain_vm"
vcsim_expect "<url>https://$esx_host/nfc/" lease_info
vcsim_eventually 'xsi:type="Timedout"' lease_info
vcsim_set '{"lease_host": "", "lease_timeout_s": 300,
  "lease_fault": "wrong-sha1"}'
new_lease "$chain_vm"
vcsim_expect '>ready<' lease_info
url=$(vcsim_xpath //deviceUrl/url <"$tmp/answer")
vcsim_rule '{"where": "nfc", "truncate": 70000, "count": 1}'
if curl -sS --cacert "$vc_cafile" -o "$tmp/cut.vmdk" "$url"; then
  fail "a stream that was cut off came whole"
fi
cmp -n 65536 "$tmp/cut.vmdk" "$tmp/stream.vmdk"
curl -sS --cacert "$vc_cafile" -o "$tmp/stream.vmdk" "$url"
vcsim_expect '<sha1>0000000000' lease_call HttpNfcLeaseGetManifest
vcsim_expect HttpNfcLeaseAbortResponse lease_call HttpNfcLeaseAbort
vcsim_power chain on
vcsim_expect InvalidPowerStateFault vcsim_call ExportVm VirtualMachine "$chain_vm"
for counter in leases:4 leases_open:0 leases_completed:1 leases_aborted:2 \
  leases_timed_out:1; do
  [ "$(vcsim_counter "${counter%:*}")" -eq "${counter#*:}" ] ||
    fail "not $counter: $(vcsim_counters)"
done
