#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What "nbdlift check" makes of bad plan files: status 3, every problem
# with its place, as text and as JSON.  The messages one by one are in
# tests/unit/test-plan.c.

source ./tests/functions.sh
tmpdir

data=tests/data/plan
for f in "$data"/invalid/*.yaml "$data"/invalid/*.json; do
  alone=()
  if head -1 "$f" | grep -aq '^# schema-only'; then
    alone=(--schema-only)
  fi
  expect_status 3 "$NBDLIFT" check "${alone[@]}" --no-source "$f"
  # all that is expected, and the line that sums it up
  grep -v -e '^not ready:' <<<"$output" >"$tmp/got" || true
  same_bytes "$tmp/got" "$f.expected"
done

# --schema-only does not look for what a plan refers to.
expect_status 3 "$NBDLIFT" check --no-source examples/ova/plan-only.yaml
expect_output 'there is no Provider migration/appliances in the files'
expect_status 0 "$NBDLIFT" check --schema-only examples/ova/plan-only.yaml

# JSON says the same.
"$NBDLIFT" check --schema-only -o json "$data/invalid/unknown-fields.yaml" \
  >"$tmp/problems.json" && fail "a bad plan was accepted"
"$PYTHON" - "$tmp/problems.json" <<'EOF'
import json
import sys

with open(sys.argv[1]) as f:
    result = json.load(f)
assert result['ready'] is False
first = result['problems'][0]
assert first['file'].endswith('/unknown-fields.yaml'), first
assert (first['line'], first['column']) == (4, 1), first
assert first['category'] == 'Critical', first
assert first['type'] == 'UnknownField', first
assert first['object'] == 'Plan default/p', first
assert first['path'] == 'name', first
assert 'metadata' in first['suggestion'], first
assert len(result['problems']) == 11, len(result['problems'])
EOF

# Files that are not there, and folders.
expect_error 'is-not-there' "$NBDLIFT" check "$tmp/is-not-there.yaml"
expect_error 'folder' "$NBDLIFT" check "$tmp"

# A password never comes out, whatever is wrong with the file.
f=$data/invalid/secrets-are-not-shown.yaml
"$NBDLIFT" check -v -o json "$f" >"$tmp/out" 2>&1 || true
"$NBDLIFT" check -v "$f" >>"$tmp/out" 2>&1 || true
sed "s|$f||g" "$tmp/out" >"$tmp/said"
[ -s "$tmp/said" ] || fail "nothing was said"
if grep -E 'not-shown|not\\qshown|12345678' "$tmp/said"; then
  fail "a value of a Secret is shown"
fi
