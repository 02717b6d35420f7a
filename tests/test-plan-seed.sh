#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Every manifest printed in MTV's chapter on the command line gets the
# verdict that it should, its misprints explained; with these mended, the
# manifests of each chapter are a plan without an error.
#
# NBDLIFT_SEED names the text of the chapter.

source ./tests/functions.sh

seed=${NBDLIFT_SEED:-}
if [ -z "$seed" ]; then
  for f in ../shared/seeds/*.txt; do
    [ -e "$f" ] && seed=$f
  done
fi
[ -n "$seed" ] || skip "the text of the chapter is not there (NBDLIFT_SEED)"
tmpdir

mkdir "$tmp/as-printed" "$tmp/mended"
"$PYTHON" tests/tools/seed-extract.py "$seed" "$tmp/as-printed"
count=$(find "$tmp/as-printed" -type f | wc -l)
[ "$count" -eq 46 ] || fail "$count manifests instead of 46"

# What is said of a manifest that is in order.
clean='^ready: 0 critical, 0 warnings, 0 notes$'

# The verdicts: number, kind, status, and what is said of it.
#
# The API server with Forklift's CRDs refuses seven of them: the five Hooks
# (no YAML), the Host (no spec.secret) and the Plan of RHV (a field of spec
# under metadata).  Of these nbdlift refuses the Hooks.  What the two others
# mean is beyond doubt, so that they work, and the misprint is named: the
# Host has the credentials of its Provider, and the field counts as one of
# spec (which without validation the API server drops in silence).
#
# The five Migrations that cancel VMs hold "...", which means "and so on",
# but ends a YAML document: the API server takes what is before it, a
# Migration that cancels nothing.  nbdlift refuses them.
blank="error: the blank after 'serviceAccount:' is missing"
dots="error: Migration .*: '\.\.\.' ends the document"
table="
1 Secret 0
2 Provider 0
3 Host 0 note: .*: spec\.secret: is not given; the credentials of the Prov
4 NetworkMap 0
5 StorageMap 0
6 Hook 3 $blank
7 NetworkAttachmentDefinition 0
8 Plan 0 note: .*: spec\.preserveStaticIPs: is empty, .* taken as false
9 Migration 0
10 Migration 3 $dots
11 Secret 0
12 Provider 0
13 NetworkMap 0
14 StorageMap 0
15 Hook 3 $blank
16 NetworkAttachmentDefinition 0
17 Plan 0 warning: .*: metadata\.preserveClusterCpuModel: belongs under sp
18 Migration 0
19 Migration 3 $dots
20 Secret 0
21 Provider 0
22 NetworkMap 0
23 StorageMap 0
24 Hook 3 $blank
25 NetworkAttachmentDefinition 0
26 Plan 0
27 Migration 0
28 Migration 3 $dots
29 Secret 0
30 Provider 0
31 NetworkMap 0
32 StorageMap 0
33 Hook 3 $blank
34 NetworkAttachmentDefinition 0
35 Plan 0
36 Migration 0
37 Migration 3 $dots
38 Secret 0 note: .*: stringData\.password: is not used for a provider of
39 Provider 0
40 NetworkMap 0
41 StorageMap 0
42 Hook 3 $blank
43 NetworkAttachmentDefinition 0
44 Plan 0
45 Migration 0
46 Migration 3 $dots"

rows=0
while read -r number kind status pattern; do
  [ -n "$number" ] || continue
  rows=$((rows + 1))
  f=$(printf '%s/as-printed/%02d-%s.yaml' "$tmp" "$number" "$kind")
  [ -e "$f" ] || fail "manifest $number is no $kind"
  expect_status "$status" "$NBDLIFT" check --schema-only "$f"
  if [ -z "$pattern" ]; then
    expect_output "$clean"
    continue
  fi
  # one problem, where it is
  expect_output "^$f:[0-9]+:[0-9]+: $pattern"
  [ "$(grep -c "^$f:" <<<"$output")" -eq 1 ] || fail "several problems"
  at=
  case $kind in
    Hook) at=$(grep -n serviceAccount: "$f" | cut -d: -f1):3 ;;
    Migration) at=$(grep -n '^\.\.\.$' "$f" | cut -d: -f1):1 ;;
  esac
  [ -z "$at" ] || expect_output "^$f:$at: "
done <<<"$table"
[ "$rows" -eq 46 ] || fail "$rows rows"

# The two Plans printed in the part on shared disks lack their metadata: the
# name is indented below "kind: Plan".
for value in true false; do
  f=$tmp/shared-$value.yaml
  sed -n "/Example Plan CR with migrateSharedDisks set to $value/,/Start the/{
    /^    [a-zA-Z ]/p
  }" "$seed" | sed -e '/Example Plan/d' -e 's/^    //' >"$f"
  grep -q "^ migrateSharedDisks: $value$" "$f" || fail "no Plan in $f"
  expect_status 3 "$NBDLIFT" check --schema-only "$f"
  expect_output "^$f:3:6: error: .* a line that is indented too far"
  sed '/^kind: Plan/a metadata:' "$f" >"$f.mended"
  expect_status 0 "$NBDLIFT" check --schema-only "$f.mended"
  expect_output "$clean"
done

# A chapter begins with its Secret.  The Migrations that cancel are
# fragments: they have no plan.
chapter=0
for f in "$tmp"/as-printed/*.yaml; do
  case $f in
    *-Secret.yaml)
      chapter=$((chapter + 1))
      mkdir "$tmp/mended/$chapter"
      ;;
  esac
  grep -q '^\.\.\.$' "$f" && continue
  sed -e 's/serviceAccount:\([a-z]\)/serviceAccount: \1/' \
    -e 's/LS0tCi0gbm\.\.\./LS0tCi0gbmFtZTogeA==/' \
    "$f" >"$tmp/mended/$chapter/${f##*/}"
done
[ "$chapter" -eq 5 ] || fail "$chapter chapters instead of 5"
for ((i = 1; i <= chapter; i++)); do
  expect_status 0 "$NBDLIFT" check --no-source "$tmp/mended/$i"/*.yaml
  # as one stream on standard input, too
  for f in "$tmp/mended/$i"/*.yaml; do
    echo ---
    cat "$f"
  done >"$tmp/stream.yaml"
  "$NBDLIFT" check --no-source - <"$tmp/stream.yaml" ||
    fail "chapter $i as a stream"
done
