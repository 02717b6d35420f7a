# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What every shell test begins with:
#
#   source ./tests/functions.sh
#
# Tests run from the top of the tree, with BUILD naming the folder of the
# build under test.  A test passes with exit 0, is skipped with exit 77 and
# fails with anything else; any command that fails ends the test.
#
# Given to the test: $NBDLIFT (the driver), $OVA_PLUGIN (the plugin's path),
# $NBDKIT (nbdkit, under the sanitizer or valgrind if the build is such a
# one), $PYTHON, and the functions below.

set -euo pipefail

BUILD=$(realpath "${BUILD:-build}")
srcdir=$(pwd)
export BUILD srcdir
export LC_ALL=C TZ=UTC
unset NBDLIFT_PLUGIN_DIR NO_COLOR

NBDLIFT=${NBDLIFT:-$BUILD/nbdlift}
OVA_PLUGIN=${OVA_PLUGIN:-$BUILD/plugins/nbdkit-ova-plugin.so}
PYTHON=${PYTHON:-/usr/bin/python3}
NBDKIT=$srcdir/tests/tools/nbdkit
# The driver starts the same program.
export NBDLIFT_NBDKIT=$NBDKIT
if [ "${SAN:-}" = valgrind ]; then
  NBDLIFT_UNDER_TEST=$NBDLIFT
  export NBDLIFT_UNDER_TEST
  NBDLIFT=$srcdir/tests/tools/nbdlift-valgrind
fi
export NBDLIFT OVA_PLUGIN PYTHON NBDKIT

# With TMPDIR set libguestfs would build its appliance there, anew for
# every test.
export LIBGUESTFS_CACHEDIR=${LIBGUESTFS_CACHEDIR:-/var/tmp}
if [ -z "${LIBGUESTFS_BACKEND_SETTINGS:-}" ] &&
   ! "$srcdir/tests/tools/kvm-works"; then
  export LIBGUESTFS_BACKEND_SETTINGS=force_tcg
fi

skip () {
  echo "SKIP: $*"
  exit 77
}

fail () {
  echo "FAIL: $*" >&2
  exit 1
}

# requires COMMAND: skip the test unless COMMAND is installed.
# requires COMMAND ARG...: skip the test unless it runs with success.
requires () {
  if [ $# -eq 1 ]; then
    command -v "$1" >/dev/null || skip "$1 is not installed"
  else
    "$@" </dev/null >/dev/null 2>&1 || skip "'$*' does not work here"
  fi
}

requires_root () {
  [ "$(id -u)" -eq 0 ] || skip "needs root"
}

# requires_file FILE...: skip unless all of them are there.
requires_file () {
  local f
  for f; do
    [ -e "$f" ] || skip "$f is not there"
  done
}

# skip_if_sanitizer WHY: for tests that measure time or memory.
skip_if_sanitizer () {
  [ -z "${SAN:-}" ] || skip "under ${SAN}: $1"
}

# What is done at the end of the test, last in first out.
cleanup_commands=()
cleanup_fn () {
  cleanup_commands+=("$(printf '%q ' "$@")")
}

run_cleanup () {
  local status=$? i
  trap '' INT TERM
  set +e
  for ((i = ${#cleanup_commands[@]} - 1; i >= 0; i--)); do
    eval "${cleanup_commands[i]}"
  done
  exit "$status"
}
trap run_cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# tmpdir: $tmp is a new folder that goes away with the test.
tmpdir () {
  tmp=$(mktemp -d "${TMPDIR:-/tmp}/t.XXXXXX")
  cleanup_fn rm -rf "$tmp"
}

# nbdkit_ova ARGS...: nbdkit with the plugin under test.
nbdkit_ova () {
  "$NBDKIT" "$OVA_PLUGIN" "$@"
}

# start_nbdkit -P PIDFILE ARGS...: nbdkit in the background (the plugin
# is among ARGS), ready when this returns.  Ended with stop_nbdkit PIDFILE,
# or at the end of the test, which fails if the server ends badly.
declare -A nbdkit_pids
start_nbdkit () {
  local pidfile log pid i
  [ "$1" = -P ] || fail "start_nbdkit: -P PIDFILE must come first"
  pidfile=$2
  log=$pidfile.log
  rm -f "$pidfile"
  # nbdkit leaves its socket behind and does not replace an old one
  for ((i = 1; i < $#; i++)); do
    if [ "${!i}" = -U ]; then
      i=$((i + 1))
      rm -f "${!i}"
    fi
  done
  "$NBDKIT" -f "$@" >"$log" 2>&1 &
  pid=$!
  for ((i = 0; i < 600; i++)); do
    if [ -s "$pidfile" ]; then
      nbdkit_pids[$pidfile]=$pid
      cleanup_fn stop_nbdkit_at_end "$pidfile"
      return 0
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
      cat "$log" >&2
      fail "nbdkit ended before it was ready: $*"
    fi
    sleep 0.1
  done
  kill -KILL "$pid"
  cat "$log" >&2
  fail "nbdkit was not ready after 60 s: $*"
}

# end_nbdkit PIDFILE: end that server; its exit status.
end_nbdkit () {
  local pidfile=$1 pid=${nbdkit_pids[$1]} i ended=0
  unset "nbdkit_pids[$pidfile]"
  kill -TERM "$pid" 2>/dev/null || true
  for ((i = 0; i < 300; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || ended=$?
  [ "$ended" -eq 0 ] || cat "$pidfile.log" >&2
  return "$ended"
}

# stop_nbdkit PIDFILE: end that server; fail unless it ends well.
stop_nbdkit () {
  end_nbdkit "$1" || fail "nbdkit ended with status $?"
}

# A cleanup; $status is that of run_cleanup.
stop_nbdkit_at_end () {
  [ -n "${nbdkit_pids[$1]:-}" ] || return 0
  end_nbdkit "$1" || status=$?
}

# expect_status N CMD...: CMD must end with exactly this status.  What it
# printed is shown and is in $output.
expect_status () {
  local want=$1 status=0
  shift
  output=$("$@" 2>&1 </dev/null) || status=$?
  printf '%s\n' "$output"
  [ "$status" -eq "$want" ] ||
    fail "status $status instead of $want from: $*"
}

# expect_error PATTERN CMD...: CMD must fail, not by a signal or a time
# limit, and say something that fits the extended regular expression.
# What it printed is in $output, its exit status in $status.
expect_error () {
  local pattern=$1
  shift
  status=0
  output=$("$@" 2>&1 </dev/null) || status=$?
  printf '%s\n' "$output"
  [ "$status" -ne 0 ] || fail "success where an error was due: $*"
  [ "$status" -lt 124 ] || fail "status $status (crash or hang?) from: $*"
  grep -Eq -- "$pattern" <<<"$output" ||
    fail "the error does not say '$pattern': $*"
}

# expect_output PATTERN: the last $output must fit too.
expect_output () {
  grep -Eq -- "$1" <<<"$output" || fail "the output does not say '$1'"
}

# same_bytes A B: fail with the first difference.
same_bytes () {
  cmp -- "$1" "$2" || fail "$1 and $2 differ"
}

# allocated FILE: bytes that it takes on disk.
allocated () {
  echo $(($(stat -c '%b * %B' -- "$1")))
}
