#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 300
#
# nbdlift copy, killed (SIGKILL: the driver, the server, both) at 50 random
# moments and started again until it is done, over and over.  After each
# kill all blocks that the journal claims are there; in the end all bytes
# are; and no more is read twice than what lies between two checkpoints.

source ./tests/functions.sh
source ./tests/copy-functions.sh
requires nbdkit
[ "${SAN:-}" != valgrind ] || skip "under valgrind: it takes hours"

tmpdir
export TMPDIR=$tmp
cleanup_fn stop_source
random_seed
build_no_io_uring

kills=50
[ -z "${SAN:-}" ] || kills=10
interval=$((64 << 20))

# 220 MiB of data in 300 MiB: two seconds at this rate.
rate=110M
make_noise "$tmp/disk.raw" 300M 0 100 110 60 200 50 290 10
data=$((220 << 20))

# Where and how: the page cache kept small, or not used, with and without
# io_uring, and a target in memory.
ways=(auto writeback none no-io-uring memory)
memory=
if [ -w /dev/shm ]; then
  memory=$(mktemp -d /dev/shm/t.XXXXXX)
  cleanup_fn rm -rf "$memory"
fi

# start_copy: $copy_pid copies to $target in the way $way.
start_copy () {
  local command=("$NBDLIFT" copy --journal "$tmp/journal"
    --digest "$tmp/digest" --identity "disk 1" --rate "$rate")
  case $way in
    none | writeback) command+=("--cache=$way") ;;
    no-io-uring) [ -z "$no_io_uring" ] ||
      command=("$no_io_uring" "${command[@]}") ;;
  esac
  "${command[@]}" "$uri" "$target" >"$tmp/out" 2>&1 &
  copy_pid=$!
}

# kill_something: after a random time; sets $killed to what it was, which is
# nothing if the copy has ended before.
kill_something () {
  local victims=(driver server both)
  killed=${victims[$((RANDOM % 3))]}
  random_between 20 1000
  sleep "$(printf '%d.%03d' $((random / 1000)) $((random % 1000)))"
  if ! kill -0 $copy_pid 2>/dev/null; then
    killed=
    return
  fi
  case $killed in
    driver) kill -KILL $copy_pid 2>/dev/null || true ;;
    server) kill -KILL "$source_pid" 2>/dev/null || true ;;
    both) kill -KILL $copy_pid "$source_pid" 2>/dev/null || true ;;
  esac
}

done_kills=0
copies=0
# One copy, killed until it is done.
one_copy () {
  local mine=0 status before had=0 lost
  way=${ways[$((copies % ${#ways[@]}))]}
  target=$tmp/target
  [ "$way" != memory ] || target=${memory:-$tmp}/target
  while :; do
    kill -0 "${source_pid:-none}" 2>/dev/null ||
      start_source -- file "$tmp/disk.raw"
    before=$(bytes_read)
    start_copy
    if [ $done_kills -lt $kills ]; then
      kill_something
    else
      killed=
    fi
    status=0
    wait $copy_pid 2>/dev/null || status=$?
    [ $status -ne 0 ] || break
    case $killed:$status in
      driver:137 | both:137) ;;
      server:4)
        grep -q 'error: .*disk' "$tmp/out" ||
          { cat "$tmp/out"; fail "no clear error"; } ;;
      *)
        # nbdkit 1.32 dies when its client goes away in a bad moment
        cat "$tmp/out"
        kill -0 "$source_pid" 2>/dev/null ||
          fail "status $status after the source died by itself"
        fail "status $status after killing '$killed'" ;;
    esac
    done_kills=$((done_kills + 1))
    mine=$((mine + 1))
    partial=$target.partial
    [ -e "$partial" ] || partial=$target    # killed at the very end
    if [ ! -e "$partial" ]; then            # killed before it was made
      partial=$tmp/nothing
      : >"$partial"
    fi
    claims "$tmp/journal" "$tmp/disk.raw" "$partial"
    # What was read and is not claimed; 16 requests can be in flight.
    lost=$(($(bytes_read) - before - (claimed - had) * 1048576))
    had=$claimed
    echo "kill $done_kills ($way, $killed after $random ms): $claimed blocks," \
         "$((lost / 1048576)) MiB lost"
    [ $lost -le $((interval + (16 << 20))) ] ||
      fail "more than an interval must be read again"
    [ $mine -lt 45 ] || fail "the copy makes no progress"
  done
  same_bytes "$tmp/disk.raw" "$target"
  [ ! -e "$target.partial" ] || fail "$target.partial is left"
  claims "$tmp/journal" "$tmp/disk.raw" "$target"
  grep -q complete "$tmp/claims" || fail "the journal does not say complete"
  [ -s "$tmp/digest" ] || fail "no digests"
  rm -f "$target" "$tmp/journal" "$tmp/digest"
  copies=$((copies + 1))
}

while [ $done_kills -lt $kills ]; do
  one_copy
done

total=$(bytes_read)
most=$((copies * data + done_kills * interval))
echo "$copies copies, $done_kills kills, $total bytes read, at most $most"
[ "$total" -le $most ] || fail "too much was read again"
[ "$total" -ge $((copies * data)) ] || fail "less was read than there is"
