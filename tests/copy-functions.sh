# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of `nbdlift copy' share, after ./tests/functions.sh.

# random_seed: print the seed of this run; FAULT_SEED=N repeats one.
random_seed () {
  local seed=${FAULT_SEED:-$((RANDOM * 32768 + RANDOM))}
  echo "seed: FAULT_SEED=$seed"
  RANDOM=$seed
}

# random_between A B: sets $random to A <= $random <= B.
random_between () {
  random=$(($1 + (RANDOM * 32768 + RANDOM) % ($2 - $1 + 1)))
}

# make_noise FILE SIZE [OFFSET LENGTH]...: a sparse file of SIZE bytes with
# incompressible data at those places (in MiB).
make_noise () {
  local file=$1
  rm -f "$file"
  truncate -s "$2" "$file"
  shift 2
  while [ $# -gt 0 ]; do
    dd if=/dev/urandom of="$file" bs=1M seek="$1" count="$2" conv=notrunc \
       iflag=fullblock status=none
    shift 2
  done
}

# start_source FILTER... -- ARG...: serve a disk on $uri.  The process is
# $source_pid; what is read from it is in $reads.  It may end as it likes.
source_pid=
start_source () {
  local filters=() i
  stop_source
  while [ "$1" != -- ]; do
    filters+=("--filter=$1")
    shift
  done
  shift
  reads=${tmp:?}/reads
  uri="nbd+unix:///?socket=$tmp/source.sock"
  rm -f "$tmp/source.sock" "$tmp/source.pid"
  nbdkit -f --exit-with-parent -r -U "$tmp/source.sock" \
    -P "$tmp/source.pid" --filter=log "${filters[@]}" "$@" \
    logfile="$reads" logappend=true >"$tmp/source.log" 2>&1 &
  source_pid=$!
  for ((i = 0; i < 300; i++)); do
    [ ! -s "$tmp/source.pid" ] || return 0
    kill -0 "$source_pid" 2>/dev/null || break
    sleep 0.02
  done
  cat "$tmp/source.log" >&2
  fail "the source is not ready"
}

stop_source () {
  [ -n "$source_pid" ] || return 0
  kill -KILL "$source_pid" 2>/dev/null || true
  # bash tells what kills its children
  { wait "$source_pid" || true; } 2>/dev/null
  source_pid=
}

# bytes_read: the sum of all requests for data that the source was sent,
# also of those that were not answered.
bytes_read () {
  "$PYTHON" - "${reads:?}" <<'PY'
import os, re, sys
total = 0
if os.path.exists(sys.argv[1]):
    with open(sys.argv[1]) as f:
        for line in f:
            m = re.search(r" Read id=.* count=0x([0-9a-f]+)", line)
            if m:
                total += int(m[1], 16)
print(total)
PY
}

# claims JOURNAL SOURCE TARGET: all claimed blocks are right; sets $claimed.
claims () {
  claimed=0
  [ -e "$1" ] || return 0
  "$PYTHON" "${srcdir:?}/tests/tools/copy-journal.py" "$@" >"${tmp:?}/claims" ||
    fail "the journal of $3 claims what is not there"
  claimed=$(cut -d ' ' -f 1 "$tmp/claims")
}

# build_no_io_uring: $no_io_uring runs a command without io_uring, or is
# empty if that cannot be done here.
build_no_io_uring () {
  no_io_uring=$tmp/no-io-uring
  if ! "${CC:-cc}" -o "$no_io_uring" "$srcdir/tests/tools/no-io-uring.c" ||
     ! "$no_io_uring" true; then
    no_io_uring=
  fi
}

# wait_for_bytes N: until the copy $copy_pid has asked for so many bytes,
# all copies before included, or has ended.
wait_for_bytes () {
  local i
  for ((i = 0; i < 600; i++)); do
    [ "$(bytes_read)" -lt "$1" ] || return 0
    kill -0 "${copy_pid:?}" 2>/dev/null || return 0
    sleep 0.05
  done
  fail "$1 bytes were not read in 30 s"
}

# wait_for_claims: until the journal of the copy $copy_pid, which was
# $journal from the start, claims something of $target, or it has ended.
wait_for_claims () {
  local i
  for ((i = 0; i < 600; i++)); do
    claims "${journal:?}" "${tmp:?}/disk.raw" "${target:?}.partial"
    [ "$claimed" -eq 0 ] || return 0
    kill -0 "${copy_pid:?}" 2>/dev/null || return 0
    sleep 0.05
  done
  fail "nothing was claimed in 30 s"
}
