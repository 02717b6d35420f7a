#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The plans under examples/ have nothing to be criticised, as one file and
# as several, and these are the same.

source ./tests/functions.sh
tmpdir

parts="secret provider networkmap storagemap plan-only migration"
ova=()
for f in $parts; do
  ova+=("examples/ova/$f.yaml")
  expect_status 0 "$NBDLIFT" check --schema-only "examples/ova/$f.yaml"
  expect_output '^ready: 0 critical, 0 warnings, 0 notes$'
done
expect_status 0 "$NBDLIFT" check --no-source "${ova[@]}"
expect_output '^ready: 0 critical, 0 warnings, 0 notes$'
expect_status 0 "$NBDLIFT" check --no-source examples/ova/plan.yaml
expect_output '^ready: 0 critical, 0 warnings, 0 notes$'

for f in $parts; do
  [ "$f" = secret ] || echo ---
  cat "examples/ova/$f.yaml"
done >"$tmp/joined.yaml"
same_bytes "$tmp/joined.yaml" examples/ova/plan.yaml
