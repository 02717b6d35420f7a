#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Reading by way of VDDK: a plugin of our own stands in for nbdkit's vddk,
# and looks at the keys it is given.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
requires "${CC:-gcc}" --version
[ -z "${SAN:-}" ] || skip "the stand-in is not instrumented"
tmpdir

mkdir "$tmp/plugins" "$tmp/vddk" "$tmp/vddk/lib64" "$tmp/disks"
"${CC:-gcc}" -shared -fPIC -D_GNU_SOURCE -DHAVE_VFPRINTF_PERCENT_M -O1 \
  -o "$tmp/plugins/nbdkit-vddk-plugin.so" tests/tools/vddk-standin.c
ln -s "$BUILD"/plugins/nbdkit-vsphere-plugin.so "$tmp/plugins/"
make_disk "$tmp/disks/web" 24M 9M
make_disk "$tmp/disks/web_1" 8M 3M
cat >"$tmp/vc.json" <<EOF
{"vms": [{"name": "web", "power": "off", "tools": "running",
   "disks": [{"file": "$tmp/disks/web"},
             {"file": "$tmp/disks/web_1"}], "nics": [{}]}],
 "esx": [{}]}
EOF
start_vcsim "$tmp/vc.json"
export VDDK_STANDIN_DIR=$tmp/disks VDDK_STANDIN_PASSWORD=$vc_password
export NBDLIFT_PLUGIN_DIR=$tmp/plugins

run () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out" "$@"
}

# was_given KEY=VALUE: to a server.
was_given () {
  grep -qxF -- "$1" "$tmp/disks/keys"
}

# The files of the disks must be called as the stand-in expects them.
for i in 0 1; do
  name=$(vcsim_vm web ".disks[$i].file")
  base=$(basename "$name" .vmdk)
  [ -e "$tmp/disks/$base" ] ||
    ln "$tmp/disks/$([ $i = 0 ] && echo web || echo web_1)" "$tmp/disks/$base"
done

# ------------------------------------------------- not there

vsphere_settings="{vddkLibDir: $tmp/vddk, transport: vddk}"
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 3 run
expect_output 'no libvixDiskLib.so in'
[ ! -e "$tmp/disks/keys" ]

: >"$tmp/vddk/lib64/libvixDiskLib.so.8"
NBDLIFT_PLUGIN_DIR=/nonexistent expect_status 3 run
expect_output 'plugin vddk is not installed'

vsphere_settings='{vddkInitImage: registry.example.com/vddk:8}'
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 0 "$NBDLIFT" check "$tmp/plan.yaml"
expect_output 'by way of folder: VDDK is not used: vddkInitImage is an image'

# ------------------------------------------------- by vCenter

vsphere_settings="{vddkLibDir: $tmp/vddk}"
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 0 "$NBDLIFT" describe "$tmp/plan.yaml" web
expect_status 0 run
expect_output 'by way of vddk: VDDK is in'
same_disk "$tmp/disks/web" "$(volume_of "$tmp/out" web 0)"
same_disk "$tmp/disks/web_1" "$(volume_of "$tmp/out" web 1)"
was_given "file=$(vcsim_vm web '.disks[0].file')"
was_given "libdir=$tmp/vddk"
was_given "server=${vc_host%:*}"
was_given "port=${vc_host##*:}"
was_given "user=$vc_user"
was_given 'password=+FILE'
was_given "thumbprint=$vc_thumbprint"
was_given "vm=moref=$(vcsim_vm web .moref)"
! grep '^snapshot\|^transports' "$tmp/disks/keys" || fail "there is no snapshot"
expect_no_sessions

# The flag, with an image in the plan; the Secret has SHA-256.
rm "$tmp/disks/keys"
vsphere_settings='{vddkInitImage: registry.example.com/vddk:8}'
vsphere_secret="thumbprint: \"$vc_thumbprint_sha256\""
plan_name=plan2
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 0 run --vddk-libdir="$tmp/vddk"
was_given "thumbprint=$vc_thumbprint"

# --transport wins over what is there.
plan_name=plan3
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 0 run --vddk-libdir="$tmp/vddk" --transport=folder
expect_output 'by way of folder'
expect_status 2 run --transport=pigeon

# ------------------------------------------------- configured

rm "$tmp/disks/keys"
plan_name=plan6
vsphere_settings='{useVddkAioOptimization: "true"}'
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 0 run --vddk-libdir="$tmp/vddk"
was_given 'config line=VixDiskLib.nfcAio.Session.BufSizeIn64KB=16'
was_given 'config line=VixDiskLib.nfcAio.Session.BufCount=4'
rm "$tmp/disks/keys"
plan_name=plan7
vsphere_settings='{useVddkAioOptimization: "true", vddkConfig: "a=1\nb=2"}'
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 0 run --vddk-libdir="$tmp/vddk"
grep '^config line' "$tmp/disks/keys" | sort -u >"$tmp/lines"
diff -u - "$tmp/lines" <<'EOF' || fail "other lines"
config line=a=1
config line=b=2
EOF
rm "$tmp/disks/keys"
echo c=3 >"$tmp/vddk.conf"
plan_name=plan8
vsphere_settings="{vddkConfig: $tmp/vddk.conf}"
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 0 run --vddk-libdir="$tmp/vddk"
was_given "config=$tmp/vddk.conf"
was_given 'config line=c=3'
vsphere_settings='{vddkInitImage: registry.example.com/vddk:8}'

# ------------------------------------------------- straight from the host

rm "$tmp/disks/keys"
export VDDK_STANDIN_PASSWORD=$esx_password
host=$("$NBDLIFT" describe -o json "$tmp/plan.yaml" web | jq -r .host)
plan_name=plan4
vsphere_secret="thumbprint: \"$vc_thumbprint\""
vsphere_hosts="apiVersion: v1
kind: Secret
metadata: {name: esx, namespace: mig, labels: {createdForResourceType: hosts}}
stringData: {user: \"$esx_user\", password: \"$esx_password\", thumbprint: \"$esx_thumbprint\"}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Host
metadata: {name: h0, namespace: mig}
spec:
  id: $host
  ipAddress: $esx_host
  provider: {name: vcenter, namespace: mig}
  secret: {name: esx, namespace: mig}"
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 0 run --vddk-libdir="$tmp/vddk"
was_given "user=$esx_user"
was_given "thumbprint=$esx_thumbprint"
! was_given "vm=moref=$(vcsim_vm web .moref)" ||
  fail "the host was asked for the id that vCenter has of the VM"
same_disk "$tmp/disks/web" "$(volume_of "$tmp/out" web 0)"
expect_no_sessions

# ------------------------------------------------- refused

export VDDK_STANDIN_PASSWORD=other
plan_name=plan5
vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 4 run --vddk-libdir="$tmp/vddk"
expect_output 'incorrect user name or password'
expect_no_sessions
