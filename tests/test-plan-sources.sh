#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The manifests of each type of source, shaped as in MTV's chapter on the
# command line and with the same misprints (tests/data/plan/sources, where
# "# expect STATUS PATTERN" tells the verdict; without a pattern there is
# nothing to be said): each one alone, all of a file, and, mended, as a plan.
# tests/test-plan-seed.sh does the same with the chapter itself.

source ./tests/functions.sh
tmpdir

clean='^ready: 0 critical, 0 warnings, 0 notes$'

# split FILE FOLDER: each manifest of FILE as FOLDER/NN-KIND.yaml.
split () {
  mkdir "$2"
  csplit -s -z -f "$2/" -b '%02d' "$1" '/^---$/' '{*}'
  for f in "$2"/*; do
    mv "$f" "$f-$(sed -n 's/^kind: //p' "$f").yaml"
  done
}

# Types of sources with a plugin are asked, of others nbdlift run says
# that it has none.
misprints=0 refused=0 all=0
for source in tests/data/plan/sources/*.yaml; do
  type=$(basename "$source" .yaml)
  split "$source" "$tmp/$type"

  # A syntax error in one document does not hide those after it.
  expect_status 3 "$NBDLIFT" check --schema-only "$source"
  mv "$tmp/$type" "$tmp/$type.d"
  whole=$output

  for f in "$tmp/$type.d"/*; do
    all=$((all + 1))
    read -r _ _ status pattern <<<"$(grep '^# expect' "$f")"
    grep -q '^# Misprint' "$f" && misprints=$((misprints + 1))
    [ "$status" -eq 0 ] || refused=$((refused + 1))
    expect_status "$status" "$NBDLIFT" check --schema-only "$f"
    expect_output "${pattern:-$clean}"
    # one problem, with a place, as text and as JSON
    if [ -n "$pattern" ]; then
      expect_output "^$f:[0-9]+:[0-9]+: (error|warning|note): "
      [ "$(grep -c "^$f:" <<<"$output")" -eq 1 ] || fail "several problems"
      grep -Eq -- "$pattern" <<<"$whole" || fail "not said of the whole file"
      "$NBDLIFT" check --schema-only -o json "$f" >"$tmp/json" || true
      "$PYTHON" - "$tmp/json" "$f" "$status" <<'EOF'
import json
import sys

with open(sys.argv[1]) as f:
    result = json.load(f)
assert result['ready'] is (sys.argv[3] == '0'), result
problem, = result['problems']
assert problem['file'] == sys.argv[2] and problem['line'] > 0, problem
assert problem['type'] and problem['message'], problem
assert (problem['category'] == 'Critical') is (sys.argv[3] != '0'), problem
EOF
    fi
  done

  # What stands behind the misprints.
  f=("$tmp/$type.d"/*-Migration.yaml)
  grep -v '^\.\.\.$' "${f[1]}" >"$tmp/cancel.yaml"
  expect_status 3 "$NBDLIFT" check --schema-only "$tmp/cancel.yaml"
  expect_output 'error: Migration lift/.*: spec\.plan: is required'
  rm "${f[1]}"

  sed -i 's/serviceAccount:/serviceAccount: /' "$tmp/$type.d"/*-Hook.yaml
  sed 's/LS0t.*/&.../' "$tmp/$type.d"/*-Hook.yaml >"$tmp/hook.yaml"
  expect_status 3 "$NBDLIFT" check --schema-only "$tmp/hook.yaml"
  expect_output 'error: Hook lift/.*: spec\.playbook: is not base64'

  expect_status 0 "$NBDLIFT" check --no-source "$tmp/$type.d"/*
  expect_output '^ready: 0 critical, '
  case $type in
    ova | vsphere)
      ;;
    *)
      expect_error "no source of type '$type'" \
        "$NBDLIFT" run --output "$tmp/target" "$tmp/$type.d"/*
      [ "$status" -eq 3 ] || fail "status $status"
      [ ! -e "$tmp/target" ] || fail "something was made"
      ;;
  esac
done
[ "$all $misprints $refused" = "46 7 10" ] ||
  fail "manifests $all, misprints $misprints, refused $refused"
