# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests with whole guests share, after ./tests/functions.sh and
# ./tests/driver-functions.sh.

requires qemu-system-x86_64 --version
requires virt-v2v-in-place --version

# guest NAME: $guest is the disk of a guest, made once for all tests (the
# names are those of the rules in tests/rules.mk).
guest () {
  guest=${BUILD:?}/guests/$1.raw
  mkdir -p "$BUILD/guests"
  MAKEFLAGS='' flock "$BUILD/guests/lock" make -s BUILD="$BUILD" "$guest"
}

# boots LOG ARGS...: the guest boots; what it reports is in LOG.
boots () {
  local log=$1
  if ! tests/tools/boot-guest.sh --log "$log" "${@:2}"; then
    tail -n 40 "$log"
    fail "the guest does not boot"
  fi
  grep -a '^beacon: ' "$log"
}

# reported LOG PATTERN: the guest has said so.
reported () {
  grep -Eq "^beacon: $2\$" <<<"$(tr -d '\r\0' <"$1")" ||
    fail "the guest has not reported '$2'"
}

# manifest FILE FILTER: what jq says of a published list of manifests.
manifest () {
  "${PYTHON:?}" -c '
import json, sys, yaml
print(json.dumps([d for d in yaml.safe_load_all(open(sys.argv[1])) if d]))' \
    "$1" | jq -er "$2"
}
