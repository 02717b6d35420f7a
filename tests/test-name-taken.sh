#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A VM whose name another VM has in the output already is refused before
# anything is copied, and what is there stays as it is.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
tmpdir
mkdir "$tmp/in"
make_disk "$tmp/a.raw" 1M 4096
make_ova "$tmp/in/web.ova" "$tmp/a.raw" --name web
make_ova "$tmp/in/db.ova" "$tmp/a.raw" --name db
out=$tmp/out

make_plan "$tmp/in" web >"$tmp/plan1.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan1.yaml" -o "$out"
cp "$out/target/web.yaml" "$tmp/before.yaml"

plan_name=plan2
vm_spec='targetName: web'
make_plan "$tmp/in" db >"$tmp/plan2.yaml"
expect_error 'the output has a VM target/web already, of another VM' \
  "$NBDLIFT" run "$tmp/plan2.yaml" -o "$out"
[ "$status" -eq 5 ] || fail "status $status"
same_bytes "$tmp/before.yaml" "$out/target/web.yaml"
[ -z "$(find "$out/target" -name 'plan2*')" ] || fail "a volume was made"

# The same with a file of somebody else's.
mkdir -p "$tmp/other/target"
echo 'kind: VirtualMachine' >"$tmp/other/target/web.yaml"
expect_error 'web.yaml was not written by nbdlift' \
  "$NBDLIFT" run "$tmp/plan2.yaml" -o "$tmp/other"
[ -z "$(find "$tmp/other/target" -name 'plan2*')" ] || fail "a volume was made"

# The same VM again, and another one, are no such thing.
expect_status 0 "$NBDLIFT" run "$tmp/plan1.yaml" -o "$out"
sed 's/targetName: web/targetName: db/' "$tmp/plan2.yaml" >"$tmp/plan3.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan3.yaml" -o "$out"
same_bytes "$tmp/before.yaml" "$out/target/web.yaml"
