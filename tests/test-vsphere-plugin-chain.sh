#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# VMs with snapshots: COWD and seSparse links over a flat disk, alone and
# mixed, read the same bytes as qemu does, holes included; an earlier state
# with snapshot=.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/vsphere-plugin-functions.sh
requires nbdcopy
requires qemu-img --version
requires jq
requires xmllint --version
tmpdir

sample_disk "$tmp/base.raw" 20972032 1
change_disk "$tmp/base.raw" "$tmp/mid.raw" 2
change_disk "$tmp/mid.raw" "$tmp/top.raw" 3

# What our own generator makes, for the oracle and as extents.
make=$srcdir/tests/tools/make-vmdk.py
mkdir "$tmp/v"
cd "$tmp/v"
"$make" --type vmfs ../base.raw x.vmdk
cp --sparse=never x-flat.vmdk flat
mv flat x-flat.vmdk
kinds=()
for a in cowd sesparse; do
  for b in cowd sesparse; do
    "$make" --type $a --parent x.vmdk --parent-raw ../base.raw ../mid.raw \
      $a$b-1.vmdk
    "$make" --type $b --parent $a$b-1.vmdk --parent-raw ../mid.raw \
      ../top.raw $a$b-2.vmdk
    kinds+=("$a$b")
  done
done
cd "$srcdir"

# links KIND: of a VM, extents that are there.
links () {
  local kind=$1 a=sesparse b=sesparse
  [[ $kind != cowd* ]] || a='delta'
  [[ $kind != *cowd ]] || b='delta'
  echo "[{\"type\": \"$(type_of "$a")\", \"file\": \"$tmp/v/$kind-1-$a.vmdk\"},
         {\"type\": \"$(type_of "$b")\", \"file\": \"$tmp/v/$kind-2-$b.vmdk\"}]"
}
type_of () {
  if [ "$1" = delta ]; then echo vmfsSparse; else echo seSparse; fi
}
{
  echo '{"vms": ['
  for kind in "${kinds[@]}"; do
    echo "{\"name\": \"$kind\", \"disks\": [
      {\"file\": \"$tmp/base.raw\", \"links\": $(links "$kind")}]},"
  done
  for type in vmfsSparse seSparse; do
    echo "{\"name\": \"$type\", \"snapshots\": [\"s1\", \"s2\"],
           \"disks\": [{\"file\": \"$tmp/base.raw\", \"links\": [
             {\"type\": \"$type\", \"data\": \"$tmp/mid.raw\"},
             {\"type\": \"$type\", \"data\": \"$tmp/top.raw\"}]}]},"
  done
  echo "{\"name\": \"cbt\", \"changeTracking\": true,
         \"disks\": [{\"file\": \"$tmp/base.raw\", \"links\": [
             {\"type\": \"seSparse\", \"data\": \"$tmp/mid.raw\"}]}]},
        {\"name\": \"plain\", \"disks\": [{\"file\": \"$tmp/base.raw\"}]}]}"
} >"$tmp/vc.json"
start_vsphere "$tmp/vc.json"

# extents: offset, length and whether it is data, of the plugin and of qemu.
ours () {
  # shellcheck disable=SC2016
  nbdkit_vsphere -U - "$@" --run 'nbdinfo --map --json "$uri"' |
    jq -r '.[] | "\(.offset) \(.length) \(.type == 0)"'
}
qemus () {
  qemu-img map -f vmdk --output=json "$1" >"$tmp/map.json"
  "$PYTHON" - "$tmp/map.json" <<'PY'
import json, sys
out = []
for e in json.load(open(sys.argv[1])):
    if out and out[-1][2] == e["data"]:
        out[-1][1] += e["length"]
    else:
        out.append([e["start"], e["length"], e["data"]])
for offset, length, data in out:
    print(offset, length, str(data).lower())
PY
}

for kind in "${kinds[@]}"; do
  qemu-img convert -f vmdk -O raw "$tmp/v/$kind-2.vmdk" "$tmp/qemu"
  same_bytes "$tmp/top.raw" "$tmp/qemu"
  copy_disk "$tmp/out" vm="$kind"
  same_bytes "$tmp/qemu" "$tmp/out"
  ours vm="$kind" >"$tmp/ours"
  qemus "$tmp/v/$kind-2.vmdk" | diff -u - "$tmp/ours" ||
    fail "$kind: other holes than qemu's"
done
grep -q false "$tmp/ours" || fail "there are no holes to be compared"

for type in vmfsSparse seSparse; do
  copy_disk "$tmp/out" vm="$type"
  same_bytes "$tmp/top.raw" "$tmp/out"
  # shellcheck disable=SC2016
  nbdkit_vsphere -U - vm="$type" --run 'qemu-img convert -f raw -O raw "$uri" '"$tmp/out"
  same_bytes "$tmp/top.raw" "$tmp/out"
  # By small reads, in any order.
  for range in "0 1" "511 2" "20971520 512" "700000 100001" "4095 8194"; do
    # shellcheck disable=SC2086
    read_range 0 $range vm="$type" >"$tmp/part"
    tail -c +$((${range% *} + 1)) "$tmp/top.raw" | head -c "${range#* }" \
      >"$tmp/want" || true
    same_bytes "$tmp/want" "$tmp/part"
  done
done
# shellcheck disable=SC2016
nbdkit_vsphere -U - vm=seSparse --run 'nbdinfo --list "$uri"' >"$tmp/list"
grep -q 'VMFS, 2 snapshots (seSparse), 20.0 MiB' "$tmp/list" ||
  fail "description: $(cat "$tmp/list")"

# Tracking and tables together.
copy_disk "$tmp/out" vm=cbt
same_bytes "$tmp/mid.raw" "$tmp/out"
[ "$(ours vm=cbt | grep -c false)" -gt 2 ] || fail "no holes"

# The state of a snapshot, and then also while the VM runs, where its host
# permits it.
id=$(vcsim_vm plain .moref)
vcsim_session vc
vcsim_login "$vc_user" "$vc_password" >/dev/null
vcsim_expect Task vcsim_call CreateSnapshot_Task VirtualMachine "$id" \
  '<name>s</name><memory>false</memory><quiesce>false</quiesce>'
snapshot=$(vcsim_props VirtualMachine "$id" snapshot |
  vcsim_xpath //currentSnapshot)
vcsim_logout >/dev/null
copy_disk "$tmp/out" vm="moref=$id" snapshot="$snapshot"
same_bytes "$tmp/base.raw" "$tmp/out"
vcsim_power plain on
vcsim_set '{"lock": "top"}'
copy_disk "$tmp/out" vm=plain snapshot="moref=$snapshot"
same_bytes "$tmp/base.raw" "$tmp/out"
vcsim_set '{"lock": "all"}'
expect_error "powered on, and then its host keeps this file locked" \
  nbdkit_vsphere -U - vm=plain snapshot="$snapshot" --run true
expect_error "powered on: its disks change.*snapshot=" \
  nbdkit_vsphere -U - vm=plain --run true
vcsim_power plain off
expect_error "not one of VM" \
  nbdkit_vsphere -U - vm=cbt snapshot="$snapshot" --run true
expect_error "snapshot-4711" \
  nbdkit_vsphere -U - vm=plain snapshot=snapshot-4711 --run true

expect_logged_out
