#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 240
#
# The power fails at chosen and at random writes and flushes of nbdlift
# copy, and what was not flushed is lost, wholly or in part, as are names
# (tests/tools/lose-writes.c).  Each time, all that the journal claims must
# be in the target, and the copy goes on to the right bytes.  A second
# cut hits the copy that goes on.
#
# test-copy-faults-power.sh does the same with a real file system, as root.

source ./tests/functions.sh
source ./tests/copy-functions.sh
requires nbdkit
[ -z "${SAN:-}" ] || skip "under $SAN: its runtime wants to be loaded first"
lose=$srcdir/tests/tools/lose-writes.c

tmpdir
cleanup_fn stop_source
random_seed
"${CC:-cc}" -O1 -shared -fPIC -o "$tmp/lose-writes.so" "$lose" ||
  skip "no compiler"

# 4 records and more: a checkpoint is 20 MiB.
make_noise "$tmp/disk.raw" 131M 0 35 45 1 50 33 100 31
serve () {
  start_source -- file "$tmp/disk.raw"
}
serve
target=$tmp/target
journal=$tmp/journal

copy () {
  "$NBDLIFT" copy --no-progress --cache=writeback --journal "$journal" \
    "$uri" "$target"
}

# copy_and_cut AT KEEP: sets $status.
copy_and_cut () {
  status=0
  LD_PRELOAD=$tmp/lose-writes.so LOSE_WRITES_AT=$1 LOSE_WRITES_KEEP=$2 \
    LOSE_WRITES_SEED=$RANDOM copy >"$tmp/out" 2>&1 || status=$?
  case $status in
    113) ;;
    # A copy that goes on may end before the cut.
    0) same_bytes "$tmp/disk.raw" "$target" ;;
    *) cat "$tmp/out" >&2; fail "status $status from the cut at $1" ;;
  esac
  check_claims
  # nbdkit 1.32 may abort when a client is gone in the middle of an answer
  serve
  echo "cut at $1, $2 % kept: status $status, $claimed blocks are claimed"
}

# What is claimed is there.
cuts=0
cuts_with_claims=0
check_claims () {
  local file=$target.partial
  [ -e "$file" ] || file=$target
  claims "$journal" "$tmp/disk.raw" "$file"
  cuts=$((cuts + 1))
  [ "$claimed" -eq 0 ] || cuts_with_claims=$((cuts_with_claims + 1))
}

# go_on: without a cut; what was claimed is not read again.
go_on () {
  local before
  before=$(bytes_read)
  expect_status 0 copy >"$tmp/out"
  same_bytes "$tmp/disk.raw" "$target"
  [ ! -e "$target.partial" ] || fail "a partial file was left"
  # holes need not be claimed
  [ $(($(bytes_read) - before)) -le $(((131 - claimed) << 20)) ] ||
    fail "$claimed of 131 blocks were claimed, but $(($(bytes_read) -
      before)) bytes were read"
  claims "$journal" "$tmp/disk.raw" "$target"
  [ "$claimed" -ge 100 ] || fail "$claimed of 100 blocks are claimed"
  rm -f "$target" "$journal"
}

# How much there is to cut.
LOSE_WRITES_LOG=$tmp/count LD_PRELOAD=$tmp/lose-writes.so copy
same_bytes "$tmp/disk.raw" "$target"
rm "$target" "$journal"
read -r writes flushes <"$tmp/count"
echo "$writes writes and flushes, $flushes of them are flushes"
[ "$flushes" -ge 10 ] || fail "only $flushes flushes"

# Each flush, and what comes after it.
for ((i = 1; i <= flushes; i++)); do
  copy_and_cut "sync:$i" $(((i + 1) % 3 * 40))
  go_on
done

# Random writes, twice.
for ((i = 0; i < 12; i++)); do
  random_between 1 "$writes"
  copy_and_cut "$random" $((i % 3 * 40))
  random_between 1 "$writes"
  copy_and_cut "$random" $(((i + 1) % 3 * 40))
  go_on
done
echo "$cuts power cuts, $cuts_with_claims with claims"
[ "$cuts_with_claims" -ge 10 ] || fail "too few cuts with claims"
