#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# spec.cancel of a Migration: what a run that was killed has made for the
# VM is removed by the next run, which migrates the others.  The manifest of
# a VM whose run was killed while it wrote it goes too.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/web.raw" 4M 1000000
make_disk "$tmp/db.raw" 64M 60000000
make_ova --name web --format raw "$tmp/ova/web.ova" "$tmp/web.raw"
make_ova --name db --format raw "$tmp/ova/db.ova" "$tmp/db.raw"
make_plan "$tmp/ova" web db >"$tmp/plan.yaml"
out=$tmp/out
vms=$out/.nbdlift/mig/plan1/vms

# cancels VM...: a Migration that cancels them, by name.
cancels () {
  local vm
  cat <<EOF
apiVersion: forklift.konveyor.io/v1beta1
kind: Migration
metadata: {name: migration1, namespace: mig}
spec:
  plan: {name: plan1, namespace: mig}
  cancel:
EOF
  for vm; do
    echo "  - {name: $vm}"
  done
}

# killed: a run that is killed in the middle of db.
killed () {
  local i pid file
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 8M --vm db \
    >"$tmp/log" 2>&1 &
  pid=$!
  for ((i = 0; i < 600; i++)); do
    file=$(find "$out" -path "*db*" -name .disk.img.partial 2>/dev/null || true)
    if [ -n "$file" ] && [ "$(du -k "$file" | cut -f 1)" -gt 1000 ]; then
      kill -KILL "$pid"
      wait "$pid" || true
      wait_no_servers
      return
    fi
    kill -0 "$pid" || break
    sleep 0.05
  done
  cat "$tmp/log"
  fail "db was not begun"
}

nothing_of_db () {
  local left
  left=$(find "$out" -name '*db*')
  [ -z "$left" ] || fail "left behind: $left"
  ! grep -rqs 'vm db' "$out" --include=.owner.json || fail "a volume"
}

# db_is FILTER: of its status.
db_is () {
  "$NBDLIFT" status "$tmp/plan.yaml" --output "$out" -f json |
    jq -e '.status.migration.vms[] | select (.name == "db") | '"$1" \
      >"$tmp/verdict" || fail "of db it is not so: $1"
}

echo "== the next run removes it and migrates the other"
killed
cancels db >"$tmp/cancel.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" "$tmp/cancel.yaml" \
  --output "$out"
expect_output 'db: cancelled; what was made for it is removed'
nothing_of_db
same_disk "$tmp/web.raw" "$(volume_of "$out" web 0)"
db_is '.conditions[0].type == "Canceled" and .phase == "Completed" and
  .conditions[0].reason == "UserRequested"'
find "$out" | sort >"$tmp/before"

echo "== all that is left to do is cancelled; one is migrated"
killed
cancels db web >"$tmp/cancel.yaml"
expect_status 8 "$NBDLIFT" run "$tmp/plan.yaml" "$tmp/cancel.yaml" \
  --output "$out"
expect_output 'db: cancelled; what was made for it is removed'
expect_output 'web: is in the Migration.s spec.cancel, but has been migrated'
nothing_of_db
db_is '.conditions[0].type == "Canceled"'
find "$out" | sort | diff -u "$tmp/before" -
same_disk "$tmp/web.raw" "$(volume_of "$out" web 0)"

echo "== without a Migration that cancels it, it is migrated"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" -q
same_disk "$tmp/db.raw" "$(volume_of "$out" db 0)"
db_is '.conditions[0].type == "Succeeded"'

# at_the_end MANIFEST: as a run leaves it that is killed when it has written
# MANIFEST, and has not said so yet.
at_the_end () {
  jq 'del (.manifest) | .publishing = true' "$vms/db/journal.json" \
    >"$tmp/journal"
  cp "$tmp/journal" "$vms/db/journal.json"
  cp "$1" "$out/target/db.yaml"
}

echo "== its manifest was written, and the run was killed then"
cp "$out/target/db.yaml" "$tmp/db.yaml"
at_the_end "$tmp/db.yaml"
expect_status 0 "$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out" --vm db
nothing_of_db
find "$out" | sort | diff -u "$tmp/before" -

echo "== a run that goes on writes it again"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" -q
at_the_end "$tmp/db.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" -q
[ "$(jq -r .publishing "$vms/db/journal.json")" = null ] ||
  fail "the journal says that it is still being written"
grep -q 'kind: VirtualMachine' "$out/target/db.yaml" || fail "no manifest"

echo "== somebody else's file in its place stays"
echo 'kind: Secret' >"$tmp/other.yaml"
at_the_end "$tmp/other.yaml"
expect_status 0 "$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out" --vm db
expect_output 'db.yaml was not written by nbdlift: it is left as it is'
same_bytes "$tmp/other.yaml" "$out/target/db.yaml"
rm "$out/target/db.yaml"
find "$out" | sort | diff -u "$tmp/before" -
no_servers
