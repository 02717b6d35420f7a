#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# --machine-readable: every line is JSON, the last one is a result, also
# when nothing was begun; no secret is in any output or file.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 8M 4000000
make_ova --name web --mf sha256 "$tmp/ova/web.ova" "$tmp/a.raw"
make_plan "$tmp/ova" web |
  sed "s|^stringData: .*|stringData: {url: $tmp/ova, password: S3cr3t-w0rd}|" \
    >"$tmp/plan.yaml"

# By default to standard error, where nothing else is.
"$NBDLIFT" run "$tmp/plan.yaml" -o "$tmp/out" --machine-readable \
  >"$tmp/stdout" 2>"$tmp/json"
jq -c . "$tmp/json" >"$tmp/parsed" || { cat "$tmp/json"; fail "not JSON"; }
jq -s -e 'all (.[]; .ts != null and .type != null) and
  (map (.type) | unique - ["error", "info", "phase", "progress", "result",
    "warning"] == []) and
  (map (select (.type == "result")) | length) == 1 and
  (map (select (.type == "phase" and .step == "DiskTransfer") | .phase)) ==
    ["Running", "Completed"] and
  (map (select (.type == "progress" and .step == "DiskTransfer")) |
    length > 0 and all (.[]; .total == 8388608 and .vm == "web" and
      .disk == "web-disk1.vmdk")) and
  (.[-1] | .type == "result" and .status == "succeeded" and
    .exitStatus == 0 and .plan == "mig/plan1" and
    .vms[0].manifestVerified and .vms[0].bytesRead > 4000000 and
    .vms[0].disks[0].sourceDigest == .vms[0].disks[0].volumeDigest and
    (.vms[0].disks[0].sourceDigest | length) == 64)' "$tmp/json" \
    >"$tmp/verdict" || { cat "$tmp/json"; fail "wrong lines"; }
grep -q '^web: Succeeded' "$tmp/stdout" || fail "no result for people"
[ -e "$(tail -n 1 "$tmp/json" | jq -r '.vms[0].disks[0].path')" ]
[ -e "$(tail -n 1 "$tmp/json" | jq -r '.vms[0].manifest')" ]

# To standard output, which then has no result for people.
"$NBDLIFT" run "$tmp/plan.yaml" -o "$tmp/out" --machine-readable=1 \
  >"$tmp/json" 2>"$tmp/stderr"
jq -c . "$tmp/json" >"$tmp/parsed" || { cat "$tmp/json"; fail "not JSON"; }
tail -n 1 "$tmp/json" | jq -e '.type == "result"' >"$tmp/verdict"
grep -q '^nbdlift: web: ' "$tmp/stderr" || fail "nothing for people"

# A plan that is refused: its problems, and still a result.
status=0
sed 's/VM Network/Other/' "$tmp/plan.yaml" |
  "$NBDLIFT" run - -o "$tmp/no" --machine-readable 2>"$tmp/json" || status=$?
[ "$status" -eq 3 ] || fail "status $status"
jq -s -e 'any (.[]; .type == "error" and
    .problem == "VMNetworksNotMapped" and .category == "Critical") and
  (.[-1] | .type == "result" and .status == "failed" and
    .exitStatus == 3)' "$tmp/json" >"$tmp/verdict" ||
  { cat "$tmp/json"; fail "wrong lines"; }
status=0
"$NBDLIFT" run "$tmp/absent" -o "$tmp/no" --machine-readable \
  2>"$tmp/json" || status=$?
[ "$status" -eq 3 ] || fail "status $status"
jq -s -e '.[0].type == "error" and .[-1].type == "result"' "$tmp/json" \
  >"$tmp/verdict" || { cat "$tmp/json"; fail "wrong lines"; }

expect_error 'open file descriptor' "$NBDLIFT" run "$tmp/plan.yaml" \
  -o "$tmp/no" --machine-readable=77
[ "$status" -eq 2 ] || fail "status $status"

# A reader that goes away does not stop the run, but the result is lost.
status=0
"$NBDLIFT" run "$tmp/plan.yaml" -o "$tmp/out2" --machine-readable=1 \
  2>"$tmp/stderr" | head -n 1 >"$tmp/json" || status=$?
[ "$status" -eq 1 ] || fail "status $status"
grep -q 'cannot write to standard output' "$tmp/stderr"
[ -e "$tmp/out2/target/web.yaml" ] || fail "the run did not go on"

# The secret: in no output, no log, no file but the plan.
"$NBDLIFT" run "$tmp/plan.yaml" -o "$tmp/out3" -v >"$tmp/stdout" \
  2>"$tmp/stderr"
"$NBDLIFT" check "$tmp/plan.yaml" -o json >"$tmp/check"
if grep -rl 'S3cr3t-w0rd' "$tmp" | grep -v '/plan\.yaml$'; then
  fail "the secret is in these files"
fi
