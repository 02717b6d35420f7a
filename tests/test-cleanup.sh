#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift cleanup: removes the state of a plan that is done, and refuses
# while something is going on or unfinished.

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

cleanup () {
  "$NBDLIFT" cleanup "$tmp/plan.yaml" --output "$out" "$@"
}

echo "== wrong usage, and no run"
expect_error 'which plan file' "$NBDLIFT" cleanup --output "$out"
[ "$status" -eq 2 ] || fail "status $status"
expect_error 'output=DIR is missing' "$NBDLIFT" cleanup "$tmp/plan.yaml"
[ "$status" -eq 2 ] || fail "status $status"
expect_error 'no run of this plan is known' cleanup
[ "$status" -eq 1 ] || fail "status $status"
[ ! -e "$out" ] || fail "the folder was made"

echo "== while a run goes on"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm web
web=$(volume_of "$out" web 0)
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm db --rate 8M \
  2>"$tmp/log" &
pid=$!
for ((i = 0; i < 600; i++)); do
  db=$(find "$out/target" -path '*db*' -name .disk.img.partial)
  [ -n "$db" ] && [ "$(du -k "$db" | cut -f 1)" -gt 1000 ] && break
  kill -0 "$pid" || { cat "$tmp/log"; fail "it ended too early"; }
  sleep 0.05
done
expect_error 'a run of this plan goes on' cleanup --force
[ "$status" -eq 1 ] || fail "status $status"
kill -INT "$pid"
wait "$pid" || true

echo "== something is unfinished"
find "$out" | sort >"$tmp/before"
expect_error 'db is not migrated: .*run.*cancel.*--force' cleanup
[ "$status" -eq 1 ] || fail "status $status"
find "$out" | sort | diff -u "$tmp/before" -

echo "== --force: what is finished stays"
cleanup --force >"$tmp/removed"
cat "$tmp/removed"
grep -qx "removed ${db%/*}" "$tmp/removed" || fail "db is not listed"
grep -qx "removed $out/.nbdlift/mig/plan1" "$tmp/removed" ||
  fail "the state is not listed"
same_disk "$tmp/web.raw" "$web"
{
  echo "$out"
  echo "$out/target"
  echo "$out/target/web.yaml"
  echo "${web%/*}"
  echo "${web%/*}/.owner.json"
  echo "$web"
  echo "$web.digests"
} | sort >"$tmp/stays"
find "$out" | sort | diff -u "$tmp/stays" -
expect_error 'no run of this plan is known' cleanup

echo "== a plan that is done"
rm -r "$out"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm web
cleanup
find "$out" | sort | diff -u "$tmp/stays" -
same_disk "$tmp/web.raw" "$web"
