#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift run that is ended in the middle (SIGKILL, SIGINT, a dead server,
# two runs at once) and started again: the final bytes are right, what was
# complete is not read again, nothing is left running.  (That no block is
# claimed wrongly: test-copy-faults-*.sh.)

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/small.raw" 2M 300000
make_disk "$tmp/big.raw" 96M 60000000
make_ova --name web --format raw "$tmp/ova/web.ova" "$tmp/small.raw" \
  "$tmp/big.raw"
make_plan "$tmp/ova" web >"$tmp/plan.yaml"
out=$tmp/out

# A server that is slow: each read takes a while.
cat >"$tmp/slow-nbdkit" <<SH
#!/bin/bash
exec "$NBDKIT" --filter=delay "\$@" rdelay=\${RDELAY:-300ms}
SH
chmod +x "$tmp/slow-nbdkit"

# start_slow: run in the background as \$pid, until the small disk is
# copied and the big one is in part.
start_slow () {
  local i
  NBDLIFT_NBDKIT=$tmp/slow-nbdkit "$NBDLIFT" run "$tmp/plan.yaml" \
    --output "$out" --machine-readable=5 5>"$tmp/json" 2>"$tmp/log" &
  pid=$!
  for ((i = 0; i < 600; i++)); do
    if [ "$(disk_state 0)" = copied ] && [ "$(disk_state 1)" = created ] &&
       [ "$(allocated "$(partial_of 1)")" -gt 1000000 ]; then
      return
    fi
    kill -0 "$pid" || { cat "$tmp/log"; fail "it ended too early"; }
    sleep 0.05
  done
  fail "the small disk was not copied in 30 s"
}

disk_state () {
  jq -r ".disks[$1].state" "$out/.nbdlift/mig/plan1/vms/web/journal.json" \
    2>/dev/null || true
}

# partial_of DISK: its unfinished volume.
partial_of () {
  local name=.disk.img.partial
  find "$out/target" -path "*-disk-$1/$name" -o -path "*-disk-$1-*/$name"
}

# finish_run: run again; both disks must be right, and only the big one
# have been read, as far as it was not there.
finish_run () {
  expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" \
    --machine-readable=5 5>"$tmp/json"
  same_disk "$tmp/small.raw" "$(volume_of "$out" web 0)"
  same_disk "$tmp/big.raw" "$(volume_of "$out" web 1)"
  jq -s -e 'all (.[]; .type != "progress" or
    .disk != "web-disk1.img" or .bytes == 0)' "$tmp/json" >"$tmp/verdict"
  tail -n 1 "$tmp/json" | jq -e '.vms[0] | .bytesRead <= 96 * 1048576 and
    .bytesRead + .bytesKept > 60000000' >"$tmp/verdict"
  [ "$(disk_state 1)" = finished ] || fail "not finished in the journal"
  no_servers
  rm -rf "$out"
}

# gone PATH...: nothing of a partial volume under its final name.
no_final () {
  [ -z "$(find "$out" -name disk.img)" ] || fail "a partial volume is final"
  [ ! -e "$out/target/web.yaml" ] || fail "there is a manifest"
}

echo "== SIGKILL"
start_slow
kill -KILL "$pid"
wait "$pid" || true
no_final
wait_no_servers
finish_run

echo "== SIGINT"
start_slow
"$NBDLIFT" status "$tmp/plan.yaml" -o "$out" -f json |
  jq -e '.status.conditions[0].type == "Executing"' >"$tmp/verdict"
kill -INT "$pid"
status=0
wait "$pid" || status=$?
cat "$tmp/log"
[ "$status" -eq 8 ] || fail "status $status"
no_final
no_servers
! grep -q 'error:' "$tmp/log" || fail "cancelling made an error"
tail -n 1 "$tmp/json" | jq -e '.type == "result" and
  .status == "canceled" and .exitStatus == 8 and
  .vms[0].status == "Canceled"' >"$tmp/verdict"
# Both are kept, complete or not.
[ "$(disk_state 0)" = copied ] || fail "the complete copy was forgotten"
[ "$(disk_state 1)" = created ] || fail "state $(disk_state 1)"
[ -e "$(partial_of 1)" ] || fail "the partial volume was removed"
finish_run

echo "== the server is killed"
start_slow
server=$(pgrep -f "delay .*ova.*$tmp|$tmp.*rdelay" | head -n 1)
kill -KILL "$server"
status=0
wait "$pid" || status=$?
cat "$tmp/log"
[ "$status" -eq 4 ] || fail "status $status"
grep -q 'error: web: DiskTransfer: .*web-disk2' "$tmp/log" ||
  fail "the error does not name VM, step and disk"
no_final
finish_run

echo "== ... and deleteVmOnFailMigration: nothing is kept"
cp "$tmp/plan.yaml" "$tmp/keep.yaml"
plan_spec=$'skipGuestConversion: true\ndeleteVmOnFailMigration: true' \
  make_plan "$tmp/ova" web >"$tmp/plan.yaml"
start_slow
kill -KILL "$(our_servers | head -n 1)"
status=0
wait "$pid" || status=$?
[ "$status" -eq 4 ] || fail "status $status"
[ -z "$(find "$out" -name '*disk.img*' -o -name '*.journal')" ] ||
  fail "something was kept"
[ "$(disk_state 0),$(disk_state 1)" = null,null ] || fail "the journal"
mv "$tmp/keep.yaml" "$tmp/plan.yaml"
rm -rf "$out"

echo "== the journal of a copy is damaged"
start_slow
kill -INT "$pid"
wait "$pid" || true
journal=$out/.nbdlift/mig/plan1/vms/web/disk-1.journal
printf 'something else' | dd of="$journal" conv=notrunc status=none
expect_error "error: web: .*$journal: .*not a journal.*move it away" \
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
[ -e "$(partial_of 1)" ] || fail "the partial volume was removed"
mv "$journal" "$tmp/journal.broken"
finish_run

echo "== a second run meanwhile"
# It waits some seconds for the first one.
RDELAY=3 start_slow
expect_error 'another nbdlift is using this output directory' \
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
[ "$status" -eq 5 ] || fail "status $status"
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[ "$status" -eq 8 ] || fail "status $status"

echo "== the source has changed since"
mv "$tmp/ova/web.ova" "$tmp/web.ova"
make_disk "$tmp/other.raw" 3M 300000
make_ova --name web --format raw "$tmp/ova/web.ova" "$tmp/other.raw" \
  "$tmp/big.raw"
expect_error 'the source has changed since' \
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
[ "$status" -eq 1 ] || fail "status $status"
no_final
mv "$tmp/web.ova" "$tmp/ova/web.ova"
finish_run

echo "== ... and its bytes alone, which only the time of the file tells"
start_slow
kill -INT "$pid"
wait "$pid" || true
touch "$tmp/ova/web.ova"
expect_error 'disk web-disk1.img: the source has changed since .* version' \
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
[ "$status" -eq 1 ] || fail "status $status"
no_final
