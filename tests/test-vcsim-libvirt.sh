#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# libvirt's ESX driver, which knows real servers, takes the simulator for
# a vCenter and for an ESXi host.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
requires virsh
requires xmllint
tmpdir

truncate -s 1M "$tmp/disk.raw"
cat >"$tmp/vc.json" <<EOF
{"esx": [{}],
 "vms": [{"name": "guest", "guestId": "debian11_64Guest", "cpus": 2,
          "memoryMB": 512,
          "disks": [{"file": "$tmp/disk.raw", "bus": "lsi"},
                    {"file": "$tmp/disk.raw", "bus": "lsi"}],
          "nics": [{"mac": "00:50:56:aa:00:01"}]},
         {"name": "running", "power": "on",
          "disks": [{"file": "$tmp/disk.raw"}]}]}
EOF
start_vcsim "$tmp/vc.json"

# ask URL USER PASSWORD COMMAND...: what virsh prints.
ask () {
  local url=$1
  cat >"$tmp/auth.conf" <<EOF
[credentials-test]
username=$2
password=$3
[auth-esx-127.0.0.1]
credentials=test
EOF
  shift 3
  LIBVIRT_AUTH_FILE=$tmp/auth.conf virsh -c "$url" "$@" 2>"$tmp/virsh.err"
}

check () {
  local datacenter=$1 moref=$2
  shift 2
  ask "$@" list --all --name >"$tmp/names" || fail "$(cat "$tmp/virsh.err")"
  diff <(printf 'running\nguest\n') <(grep . "$tmp/names")
  ask "$@" dumpxml guest >"$tmp/guest.xml" || fail "$(cat "$tmp/virsh.err")"
  while IFS='|' read -r path want; do
    got=$(xmllint --xpath "string($path)" "$tmp/guest.xml")
    [ "$got" = "$want" ] || fail "$path is '$got', not '$want'"
  done <<EOF
/domain/os/type/@arch|x86_64
/domain/vcpu|2
/domain/memory|524288
/domain/uuid|$(vcsim_vm guest .uuid)
//disk[1]/source/@file|[datastore1] guest/guest.vmdk
//disk[2]/source/@file|[datastore1] guest/guest_1.vmdk
//interface/mac/@address|00:50:56:aa:00:01
//*[local-name()="datacenterpath"]|$datacenter
//*[local-name()="moref"]|$moref
EOF
}

check DC0 "$(vcsim_vm guest .moref)" \
  "vpx://${vc_user/@/%40}@$vc_host/DC0/DC0_H0?no_verify=1" \
  "$vc_user" "$vc_password"
check ha-datacenter 1 "esx://$esx_host/?no_verify=1" \
  "$esx_user" "$esx_password"
expect_no_sessions
