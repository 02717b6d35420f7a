#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Every field of Forklift's CRDs, of an old and of a new version, is known,
# with its type: used, or named in a note, and never dropped in silence.
# $NBDLIFT_CRDS is a folder with one folder of CRD files per version.

source ./tests/functions.sh

crds=${NBDLIFT_CRDS:-../shared/crds}
[ -d "$crds" ] || skip "no CRDs: let NBDLIFT_CRDS name a folder with them"
requires "$PYTHON" -c 'import yaml; yaml.CSafeLoader'
tmpdir

found=
for version in "$crds"/forklift-*/; do
  [ -d "$version" ] || continue
  found=1
  files=()
  for kind in providers hosts networkmaps storagemaps hooks plans migrations
  do
    files+=("$version/forklift.konveyor.io_$kind.yaml")
  done
  echo "$version"
  "$PYTHON" tests/tools/crd-sample.py "${files[@]}" >"$tmp/objects"
  [ "$(wc -l <"$tmp/objects")" -eq 7 ] || fail "kinds are missing"
  while read -r object; do
    echo "$object" >"$tmp/object.json"
    "$NBDLIFT" check --schema-only -o json "$tmp/object.json" \
      >"$tmp/problems" || true
    "$PYTHON" - "$tmp/object.json" "$tmp/problems" <<'EOF'
import json
import sys

with open(sys.argv[1]) as f:
    kind = json.load(f)['kind']
with open(sys.argv[2]) as f:
    problems = json.load(f)['problems']
for p in problems:
    assert p['type'] != 'UnknownField', (kind, p)
    assert ' where ' not in p['message'], (kind, p)
    if p['type'] == 'FieldNotUsed':
        assert p['category'] == 'Advisory', (kind, p)
        assert 'Forklift' in p['message'], (kind, p)
notes = sum(p['type'] == 'FieldNotUsed' for p in problems)
print(kind, len(problems), 'problems,', notes, 'of them notes on fields')
EOF
  done <"$tmp/objects"
done
[ -n "$found" ] || skip "no folder forklift-* in $crds"
