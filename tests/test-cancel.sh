#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift cancel: of one VM of two in the middle of its copy, of a run that
# has been killed, and of VMs that are migrated; what is left is compared
# name by name.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/web.raw" 24M 16000000
make_disk "$tmp/db.raw" 64M 60000000
make_ova --name web --format raw "$tmp/ova/web.ova" "$tmp/web.raw"
make_ova --name db --format raw "$tmp/ova/db.ova" "$tmp/db.raw"
make_plan "$tmp/ova" web db >"$tmp/plan.yaml"
out=$tmp/out
vms=$out/.nbdlift/mig/plan1/vms

# start: a slow run in the background as \$pid, until db is copied in part.
start () {
  local i
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 8M \
    --machine-readable=5 5>"$tmp/json" 2>"$tmp/log" &
  pid=$!
  for ((i = 0; i < 600; i++)); do
    if [ "$(jq -r '.disks[0].state' "$vms/db/journal.json" 2>/dev/null)" = \
         created ] && [ "$(du -k "$(partial)" | cut -f 1)" -gt 1000 ]; then
      return
    fi
    kill -0 "$pid" || { cat "$tmp/log"; fail "it ended too early"; }
    sleep 0.05
  done
  fail "db was not begun in 30 s"
}

partial () {
  find "$out/target" -path '*db*' -name .disk.img.partial
}

# nothing_of_db: no file of it, neither on the target nor in the state.
nothing_of_db () {
  local left
  left=$(find "$out" -name '*db*')
  [ -z "$left" ] || fail "left behind: $left"
  ! grep -rqs 'vm db' "$out" --include=.owner.json || fail "a volume"
}

web_is_right () {
  same_disk "$tmp/web.raw" "$(volume_of "$out" web 0)"
  [ -e "$out/target/web.yaml" ] || fail "no manifest of web"
}

cancel () {
  "$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out" "$@" 2>&1 |
    tee "$tmp/cancelled"
  return "${PIPESTATUS[0]}"
}

echo "== wrong usage, and no run"
expect_error 'which plan file' "$NBDLIFT" cancel --output "$out"
[ "$status" -eq 2 ] || fail "status $status"
expect_error 'output=DIR is missing' "$NBDLIFT" cancel "$tmp/plan.yaml"
[ "$status" -eq 2 ] || fail "status $status"
expect_error 'no run of this plan is known' "$NBDLIFT" cancel \
  "$tmp/plan.yaml" --output "$out"
[ "$status" -eq 1 ] || fail "status $status"
[ ! -e "$out" ] || fail "the folder was made"

echo "== one VM of a run that goes on"
start
expect_error 'VM nobody: there is nothing of it' "$NBDLIFT" cancel \
  "$tmp/plan.yaml" --output "$out" --vm nobody
[ "$status" -eq 1 ] || fail "status $status"
cancel --vm db
grep -q 'db: cancelled by the run' "$tmp/cancelled" || fail "not said"
kill -0 "$pid" || fail "the run has ended with it"
nothing_of_db
status=0
wait "$pid" || status=$?
cat "$tmp/log"
[ "$status" -eq 8 ] || fail "status $status"
! grep -q 'error:' "$tmp/log" || fail "cancelling made an error"
tail -n 1 "$tmp/json" | jq -e '[.vms[] | .name + " " + .status] | sort ==
  ["db Canceled", "web Succeeded"]' >"$tmp/verdict"
"$NBDLIFT" status "$tmp/plan.yaml" -o "$out" -f json >"$tmp/status"
jq -e '.status.conditions[0].type == "Succeeded" and
  (.status.migration.vms | map ({key: .name, value: .}) | from_entries |
   .db.conditions[0].type == "Canceled" and .db.phase == "Completed" and
   .db.conditions[0].reason == "UserRequested" and
   .web.conditions[0].type == "Succeeded")' "$tmp/status" >"$tmp/verdict"
nothing_of_db
web_is_right
no_servers
find "$out" | sort >"$tmp/before"

echo "== a VM that is migrated is left alone"
cancel
grep -q 'web: has been migrated already: it is left alone' \
  "$tmp/cancelled" || fail "not said"
cancel --vm web
find "$out" | sort | diff -u "$tmp/before" -
web_is_right

echo "== a run that was killed; by id; again"
start
kill -KILL "$pid"
wait "$pid" || true
wait_no_servers
rm -f "$vms/db/cancel"
id=$(jq -r '.vm.id // .id' "$vms/db/journal.json")
cancel --vm "${id:?}"
grep -q 'db: cancelled; what was made for it is removed' \
  "$tmp/cancelled" || fail "not said"
nothing_of_db
find "$out" | sort | diff -u "$tmp/before" -
"$NBDLIFT" status "$tmp/plan.yaml" -o "$out" -f json |
  jq -e '.status.migration.vms[] | select (.name == "db") |
    .conditions[0].type == "Canceled"' >"$tmp/verdict"
cancel
find "$out" | sort | diff -u "$tmp/before" -

echo "== somebody else's volume stays"
mkdir -p "$out/target/other"
echo '{"owner": "plan mig/other vm db disk 0"}' \
  >"$out/target/other/.owner.json"
echo something >"$out/target/other/disk.img"
start
kill -INT "$pid"
wait "$pid" || true
cancel
[ "$(cat "$out/target/other/disk.img")" = something ] || fail "it is gone"
rm -r "$out/target/other"
nothing_of_db
find "$out" | sort | diff -u "$tmp/before" -

echo "== the VM alone, once more: from its beginning"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm db
same_disk "$tmp/db.raw" "$(volume_of "$out" db 0)"
web_is_right
no_servers
