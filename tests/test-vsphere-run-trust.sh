#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift run: every way to know a vCenter by, through to the server that
# reads the disks; and nothing of it stays behind.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
tmpdir

make_disk "$tmp/a.raw" 8M 2M
cat >"$tmp/vc.json" <<JSON
{"vms": [{"name": "db", "disks": [{"file": "$tmp/a.raw"}], "nics": [{}]}]}
JSON
start_vcsim "$tmp/vc.json"
mkdir "$tmp/scratch"
export TMPDIR=$tmp/scratch XDG_RUNTIME_DIR=$tmp/scratch

# migrate NAME SECRET_LINES
migrate () {
  local left
  plan_name=$1
  vsphere_secret=$2 vsphere_plan "name: db" >"$tmp/plan.yaml"
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out-$1"
  same_disk "$tmp/a.raw" "$(volume_of "$tmp/out-$1" db 0)"
  expect_no_sessions
  left=$(find "$tmp/scratch" -mindepth 1)
  [ -z "$left" ] || fail "these stayed behind: $left"
  ! grep -rqF "$vc_password" "$tmp/out-$1" || fail "the password was kept"
}

migrate ca "cacert: |
$(sed 's/^/    /' "$vc_cafile")"
migrate newca "ca.crt: |
$(sed 's/^/    /' "$vc_cafile")
  cacert: not looked at"
migrate sha256 "thumbprint: \"${vc_thumbprint_sha256,,}\""
migrate insecure 'insecureSkipVerify: "true"'

# A CA that is another, and one that is none.
plan_name=refused
vsphere_secret="cacert: |
$(openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -days 1 \
    -subj /CN=other 2>/dev/null | sed 's/^/    /')" \
  vsphere_plan "name: db" >"$tmp/plan.yaml"
expect_status 4 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out-refused"
expect_output 'certificate is not trusted'
vsphere_secret='cacert: nonsense' vsphere_plan "name: db" >"$tmp/plan.yaml"
expect_error 'certificate' "$NBDLIFT" run "$tmp/plan.yaml" \
  --output "$tmp/out-refused"
[ "$(vcsim_counter failed_logins)" -eq 0 ]
expect_no_sessions

echo "ok"
