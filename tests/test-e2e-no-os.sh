#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 600
#
# A disk without an operating system cannot be converted: that is said in
# words, the copy stays as it was, and no virtual machine is written.

source ./tests/functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh

tmpdir
make_disk "$tmp/disk.raw" 64M 1M
make_ova --name empty "$tmp/empty.ova" "$tmp/disk.raw"
plan_spec='description: no guest in it'
make_plan "$tmp/empty.ova" empty >"$tmp/plan.yaml"

expect_error 'empty: .*(no|not find).*operating system' \
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
[ "$status" -eq 6 ] || fail "exit status $status instead of 6"
[ ! -e "$tmp/out/target/empty.yaml" ] || fail "a manifest was written"
expect_output 'virt-v2v.log'
