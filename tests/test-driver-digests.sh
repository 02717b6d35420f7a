#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The OVA's manifest: a wrong digest stops that VM and no other, and
# --no-verify-manifest says that nothing was verified.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 4M 500000
make_ova --name good --mf sha256 "$tmp/ova/good.ova" "$tmp/a.raw"
make_ova --name bad --mf sha256 --format raw "$tmp/ova/bad.ova" "$tmp/a.raw"
make_plan "$tmp/ova" bad good >"$tmp/plan.yaml"

# Flip one byte of the disk, which is raw inside the tar.
"$PYTHON" - "$tmp/ova/bad.ova" "$tmp/a.raw" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.find(open(sys.argv[2], "rb").read(4096))
assert at > 0
data[at + 100] ^= 1
open(sys.argv[1], "wb").write(data)
PY

out=$tmp/out
expect_error 'bad.*disk1' "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" \
  --machine-readable=5 5>"$tmp/json"
[ "$status" -eq 7 ] || fail "status $status"
expect_output 'nbdlift: error: bad: Initialize: '
expect_output '^bad: Failed'
expect_output '^good: Succeeded'
[ ! -e "$out/target/bad.yaml" ] || fail "bad has a manifest"
[ -z "$(find "$out/target" -path '*bad*')" ] || fail "bad left something"
same_disk "$tmp/a.raw" "$(volume_of "$out" good 0)"

# The result names object, step and cause.
tail -n 1 "$tmp/json" | jq -e '.status == "partial" and .exitStatus == 7 and
  (.vms[] | select (.name == "bad") | .status == "Failed" and
   .exitStatus == 4 and (.errors | length) == 1 and
   .manifestVerified == false) and
  (.vms[] | select (.name == "good") | .status == "Succeeded" and
   .manifestVerified)' >"$tmp/verdict"
jq -s -e 'any (.[]; .type == "error" and .vm == "bad" and
  .step == "Initialize")' "$tmp/json" >"$tmp/verdict"
"$NBDLIFT" status "$tmp/plan.yaml" -o "$out" -f json |
  jq -e '.status.conditions[0].type == "Failed" and
    (.status.migration.vms[0] | .conditions[0].type == "Failed" and
     (.error.reasons | length) == 1 and
     .pipeline[0].error.reasons == .error.reasons)' >"$tmp/verdict"

# Again, alone: all have failed, because of the source.
expect_error 'Failed' "$NBDLIFT" run "$tmp/plan.yaml" -o "$out" --vm bad
[ "$status" -eq 4 ] || fail "status $status"

expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm bad \
  --no-verify-manifest --machine-readable=5 5>"$tmp/json"
expect_output 'warning: bad: Initialize: .*not verified.*no-verify-manifest'
tail -n 1 "$tmp/json" | jq -e '.vms[0].manifestVerified == false and
  (.vms[0].warnings | length) == 1' >"$tmp/verdict"
[ "$(cmp -l "$tmp/a.raw" "$(volume_of "$out" bad 0)" | wc -l)" -eq 1 ] ||
  fail "the copy is not what the OVA holds"
