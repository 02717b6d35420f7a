#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 180
#
# nbdlift copy from a source that fails, stalls, dies or has changed, and
# with journals that are broken or another's: a clear error, the journal
# intact, and the next copy does the rest.

source ./tests/functions.sh
source ./tests/copy-functions.sh
requires nbdkit
[ "${SAN:-}" != valgrind ] || skip "under valgrind: its times mean nothing"

tmpdir
export TMPDIR=$tmp
cleanup_fn stop_source

make_noise "$tmp/disk.raw" 200M 0 60 80 80 190 10
data=$((150 << 20))
target=$tmp/target
journal=$tmp/journal
identity='disk 1, state 1'

copy () {
  "$NBDLIFT" copy --journal "$journal" --identity "$identity" \
    --digest "$tmp/digest" "$@" "$uri" "$target"
}

start_copy () {
  "$NBDLIFT" copy --journal "$journal" --identity "$identity" \
    --digest "$tmp/digest" "$@" "$uri" "$target" >"$tmp/out" 2>&1 &
  copy_pid=$!
}

# end_copy N: it must end with this status; what it said is in $output.
end_copy () {
  status=0
  wait "$copy_pid" || status=$?
  output=$(cat "$tmp/out")
  printf '%s\n' "$output"
  [ "$status" -eq "$1" ] || fail "status $status instead of $1"
}

# interrupted: after a copy that failed.  What is claimed is right, and
# there is something (unless $1 is 0).
interrupted () {
  [ ! -e "$target" ] || fail "the target has its name already"
  [ -e "$target.partial" ] || fail "$target.partial was removed"
  claims "$journal" "$tmp/disk.raw" "$target.partial"
  echo "$claimed blocks are claimed"
  [ "$claimed" -ge "${1:-1}" ] || fail "nothing was claimed"
}

# complete: the next copy does the rest, and does not read again what was
# claimed.  With a new server: nbdkit 1.32 can abort when a client leaves
# in the middle of a reply.
complete () {
  local before after
  start_source -- file "$tmp/disk.raw"
  before=$(bytes_read)
  expect_status 0 copy
  same_bytes "$tmp/disk.raw" "$target"
  after=$(($(bytes_read) - before))
  echo "$after bytes were read"
  [ "$after" -le $((data - claimed * 1048576 + (50 << 20))) ] ||
    fail "what was there was read again"
  clear
}

clear () {
  stop_source
  rm -f "$target" "$target.partial" "$journal" "$tmp/digest"
  : >"$reads"
}

echo "== EIO, later cured"
start_source error -- file "$tmp/disk.raw" error-pread=EIO \
  error-pread-rate=100% error-pread-file="$tmp/broken"
start_copy --rate 40M
wait_for_claims
touch "$tmp/broken"
end_copy 4
expect_output "error: .*offset [0-9]+.*Input/output error|error: .*Input/output error.*offset [0-9]+"
interrupted
rm "$tmp/broken"
complete

echo "== the server dies"
start_source -- file "$tmp/disk.raw"
start_copy --rate 40M
wait_for_claims
stop_source
end_copy 4
expect_output 'error: .*source'
interrupted
complete

echo "== the server stalls"
start_source -- file "$tmp/disk.raw"
start_copy --rate 40M --stall 2
wait_for_claims
kill -STOP "$source_pid"
start=$SECONDS
end_copy 4
[ $((SECONDS - start)) -lt 10 ] || fail "it took $((SECONDS - start)) s"
expect_output 'error: .*(nothing|stall|no answer|time).* 2 s'
interrupted
complete

echo "== a server that is slow, but not too slow"
start_source delay -- file "$tmp/disk.raw" rdelay=900ms
expect_status 0 copy --stall 4
same_bytes "$tmp/disk.raw" "$target"
clear

echo "== the server is too slow"
start_source delay -- file "$tmp/disk.raw" rdelay=30
expect_error 'error: .* 2 s' copy --stall 2
[ "$status" -eq 4 ] || fail "status $status"
[ ! -e "$target" ] || fail "the target has its name already"
claimed=0
complete

for signal in INT TERM; do
  echo "== SIG$signal"
  start_source -- file "$tmp/disk.raw"
  start_copy --rate 40M
  wait_for_claims
  kill -$signal "$copy_pid"
  start=$(date +%s%N)
  end_copy 8
  ms=$((($(date +%s%N) - start) / 1000000))
  echo "$ms ms"
  [ -n "${SAN:-}" ] || [ "$ms" -lt 2000 ] || fail "$ms ms"
  ! grep -q 'error:' "$tmp/out" || fail "cancelling made an error"
  interrupted
  complete
done

echo "== 5 seconds are an interval too"
start_source -- file "$tmp/disk.raw"
start_copy --rate 4M
sleep 7
kill -KILL "$copy_pid"
wait "$copy_pid" 2>/dev/null || true
interrupted
[ "$claimed" -lt 40 ] || fail "$claimed blocks in 7 s of 4 MiB"
complete

echo "== two copies at once"
start_source -- file "$tmp/disk.raw"
start_copy --rate 30M
wait_for_bytes $((10 << 20))
expect_error 'error: .*another' copy
[ "$status" -ne 8 ] || fail "status $status"
target=$tmp/other expect_error "error: $journal: another copy.*wait" copy
[ ! -e "$tmp/other" ] || fail "the other target was made"
kill -0 "$copy_pid" || fail "the first copy has ended"
kill -INT "$copy_pid"
end_copy 8
interrupted 0
complete

# begin: an interrupted copy.
begin () {
  start_source -- file "$tmp/disk.raw"
  start_copy --rate 40M
  wait_for_claims
  kill -KILL "$copy_pid"
  wait "$copy_pid" 2>/dev/null || true
  interrupted
  start_source -- file "$tmp/disk.raw"
}

echo "== the source has changed since"
begin
same_journal () {
  cmp "$journal" "$tmp/journal.was" || fail "the journal was changed"
}
cp "$journal" "$tmp/journal.was"
identity='disk 1, state 2'
expect_error 'state 1.*state 2' copy
expect_output 'remove .*to copy from the beginning'
identity='disk 1, state 1'
same_journal
truncate -s 201M "$tmp/disk.raw"
start_source -- file "$tmp/disk.raw"
expect_error '209715200.*210763776' copy
expect_output 'remove .*to copy from the beginning'
same_journal
truncate -s 200M "$tmp/disk.raw"
interrupted
complete

echo "== a journal that is broken, or something else"
begin
cp "$journal" "$tmp/journal.was"
"$PYTHON" -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(100)
    f.write(b"\xff")' "$journal"
expect_error "$journal: .*header.*damaged.*move it away" copy
cp "$tmp/journal.was" "$journal"
head -c 10000 /dev/urandom >"$journal"
expect_error "$journal: .*not a journal.*move it away" copy
[ "$(stat -c %s "$journal")" -eq 10000 ] || fail "it was overwritten"
# Records that are broken are no claims.
cp "$tmp/journal.was" "$journal"
"$PYTHON" -c 'import os, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(-20, os.SEEK_END)
    f.write(b"\xff")' "$journal"
claims "$journal" "$tmp/disk.raw" "$target.partial"
complete

echo "== what is claimed is looked at, not trusted"
begin
first=$("$PYTHON" -c 'import random; print(random.randrange(20))')
for block in 0 $((first + 1)) 40; do
  printf 'XYZ' | dd of="$target.partial" bs=1 seek=$((block * 1048576 + 777)) \
    conv=notrunc status=none
done
claimed=$((claimed - 3))
complete
