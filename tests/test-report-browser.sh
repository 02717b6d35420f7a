#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift report in a real browser, from file://: what look-at-page.py
# checks, for the page of a run and for one whose names are long and
# hostile.  The pictures stay in $BUILD/tests/report-*.png and report.pdf.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
browser=
for program in chromium chromium-browser google-chrome; do
  browser=${browser:-$(command -v "$program" || true)}
done
[ -n "$browser" ] || skip "no Chromium is installed"

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova" "$tmp/browser"
make_disk "$tmp/a.raw" 64M 20000000
make_disk "$tmp/b.raw" 16M 12000000
make_disk "$tmp/c.raw" 1M 100000
long='A Name that Someone Made Long in 2009 [do not delete] (copy of copy)'
make_ova --name "$long" "$tmp/ova/long.ova" "$tmp/a.raw" "$tmp/b.raw"
make_ova --name broken --mf sha256 "$tmp/ova/broken.ova" "$tmp/c.raw"
size=$(stat -c %s "$tmp/ova/broken.ova")
printf '\377\0\377\0\377\0\377\0' | dd of="$tmp/ova/broken.ova" conv=notrunc \
  status=none bs=1 seek=$((size / 2))
for name in one two three; do
  make_ova --name "$name" "$tmp/ova/$name.ova" "$tmp/c.raw"
done
make_plan "$tmp/ova" "$long" broken one two three >"$tmp/plan.yaml"
out=$tmp/out
expect_status 7 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 10M
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --html "$tmp/report.html"

# What the checks said is kept with the run.
"$NBDLIFT" status "$tmp/plan.yaml" --output "$out" -f json |
  jq -e '.status.migration.vms | (.[0].concerns | any (.id ==
    "ova.name.invalid" and .category == "Warning" and .label and
    .assessment)) and (.[0].concerns | any (.id == "TargetNameNotValid" and
    .suggestion)) and (.[2].concerns | all (.id == "MacConflicts"))' \
    >"$tmp/verdict" ||
  fail "concerns are not kept"
grep -q 'Name not usable as it is' "$tmp/report.html" ||
  fail "concerns are not shown"

# Words without an end, markup, and text that goes from right to left.
state=$out/.nbdlift/mig/plan1/status.json
jq '("x" * 300) as $x | ("<b onclick=\"x()\">" + $x) as $evil |
  .status.migration.vms[] |= (.newName = $x | .name = $evil + "\u202e" |
    .error = {reasons: [$evil]} | .concerns = [{category: "Critical",
      label: $evil, assessment: $x, suggestion: $evil}] |
    (.pipeline[] | select (.tasks) | .tasks[].name) = $x)' \
  "$state" >"$tmp/status"
cp "$tmp/status" "$state"
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --html "$tmp/evil.html"

"$PYTHON" "$srcdir/tests/tools/look-at-page.py" --links \
  --shots "$BUILD/tests/report" "$browser" "$tmp/browser" \
  "$tmp/report.html" "$tmp/evil.html" ||
  fail "the page is not as it should be"
for picture in report-light.png report-dark.png report-narrow.png report.pdf
do
  [ "$(stat -c %s "$BUILD/tests/$picture")" -gt 20000 ] ||
    fail "$picture shows nothing"
done
! cmp -s "$BUILD/tests/report-light.png" "$BUILD/tests/report-dark.png" ||
  fail "dark is as light"
