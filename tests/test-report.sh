#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift report: the page of a run with a VM that succeeds, one that fails
# and names that would like to be markup; well-formed, self-contained, and
# drawn by a browser, light and dark.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
requires xmllint

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 32M 30000000
make_disk "$tmp/b.raw" 3M 3000000
make_ova --name web --mf sha256 "$tmp/ova/web.ova" "$tmp/a.raw" "$tmp/b.raw"
make_ova --name broken --mf sha256 "$tmp/ova/broken.ova" "$tmp/b.raw"
# A byte of the disk, but not of its checksum.
size=$(stat -c %s "$tmp/ova/broken.ova")
printf '\377\0\377\0\377\0\377\0' | dd of="$tmp/ova/broken.ova" conv=notrunc \
  status=none bs=1 seek=$((size / 2))
make_plan "$tmp/ova" web broken >"$tmp/plan.yaml"
out=$tmp/out
page=$tmp/report.html

# No run yet: an error, and no file.
expect_error 'status\.json' "$NBDLIFT" report "$tmp/plan.yaml" \
  --output "$out" --html "$page"
[ ! -e "$page" ] || fail "a report without a run"
expect_status 2 "$NBDLIFT" report "$tmp/plan.yaml"

expect_status 7 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 7M
state=$out/.nbdlift/mig/plan1
cp "$state/status.json" "$tmp/good.json"
[ "$(wc -l <"$state/vms/web/disk-0.samples")" -ge 3 ] ||
  fail "no samples of a copy that takes seconds"

# good PAGE: XML and HTML, and nothing that a browser would load or run.
good () {
  xmllint --noout --nonet "$1" || fail "$1 is not well-formed"
  ! grep -Eiq '<(script|link|img|iframe|object|embed|base|form)|@import|url *\(|(src|srcset|href|action|data) *= *"[^#]|[ "]on[a-z]+ *=' \
    "$1" || fail "$1 loads or runs something"
  [ "$(grep -o 'https\?://[^"<]*' "$1" | sort -u)" = \
    http://www.w3.org/1999/xhtml ] || fail "$1 has addresses"
}

# has XPATH: exactly once or more in the page.
has () {
  [ "$(xmllint --nonet --xpath "boolean($1)" "$page")" = true ] ||
    fail "the page has no $1"
}

expect_status 0 "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" \
  --html "$page"
good "$page"
h1='//*[local-name() = "h1"]'
row='//*[local-name() = "tr"]'
pre='//*[local-name() = "pre"]'
has "${h1}[contains(., 'mig/plan1')]"
has "${row}[contains(., 'web') and contains(., 'Succeeded') and contains(., '35 of 35 MiB')]"
has "${row}[contains(., 'broken') and contains(., 'Failed')]"
has "${row}[contains(., 'DiskTransfer') and contains(., 'Completed')]"
has "${pre}[. = 'kubectl apply -f $out/target/web.yaml']"
has "${pre}[contains(., 'nbdlift run $tmp/plan.yaml --output=$out --vm=')]"
# Each drawing has a title, each table a caption; the long copy a curve.
has '//*[@class = "curve"]'
[ "$(xmllint --xpath 'count(//*[@role = "img"])' "$page")" = \
  "$(xmllint --xpath 'count(//*[local-name() = "title"]) - 1' "$page")" ] ||
  fail "drawings without a title"
[ "$(xmllint --xpath 'count(//*[local-name() = "table"])' "$page")" = \
  "$(xmllint --xpath 'count(//*[local-name() = "caption"])' "$page")" ] ||
  fail "tables without a caption"
error=$(jq -r '.status.migration.vms[1].error.reasons[0]' \
  "$state/status.json")
has "//*[local-name() = 'li'][contains(., \"${error:0:30}\")]"

# The command that it proposes for the failed VM fails for that VM alone.
command=$(xmllint --xpath "string(${pre}[contains(., ' run ')])" "$page")
[[ $command == 'nbdlift run '* ]] || fail "no command to run again"
status=0
(
  nbdlift () {
    "$NBDLIFT" "$@"
  }
  eval "$command"
) >"$tmp/again" 2>&1 || status=$?
{ [ "$status" -ne 0 ] && grep -q broken "$tmp/again" &&
  ! grep -q '^web: ' "$tmp/again"; } || fail "'$command' runs something else"

# To standard output; and a disk that is full is told.
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm web
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --ask-source \
  >"$tmp/stdout.html"
good "$tmp/stdout.html"
if [ -c /dev/full ]; then
  status=0
  "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" >/dev/full \
    2>"$tmp/full" || status=$?
  [ "$status" -eq 1 ] || fail "status $status for a full disk"
fi

# Names, errors and output of a hook that would like to be markup.
evil='<script>alert(1)</script>&"'"'"' \u0001\u001b[31m \u202e \ufffe ü 漢 ]]>'
jq --argjson evil "\"${evil//\"/\\\"}\"" '
  .status.migration.vms[0] |= (.name = $evil | .newName = "web" |
    .error = {phase: "x", reasons: [$evil]} |
    .pipeline[0].name = "PreHook" | .pipeline[0].phase = $evil |
    .pipeline[1].tasks[0] |= (.name = $evil | .phase = $evil))' \
  "$tmp/good.json" >"$state/status.json"
printf '<img src=x>\033]0;x\a\377\n' >"$state/vms/web/PreHook.log"
printf 'x\n1 2 3\n99999999999999999999 1\n5\n7 ' \
  >>"$state/vms/web/disk-0.samples"
expect_status 0 "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" \
  --html "$page"
good "$page"
has '//*[local-name() = "h2"][contains(., "<script>alert(1)</script>&")]'
has "${pre}[contains(., '<img src=x>')]"
! grep -q $'[\001-\010\013-\037]' "$page" || fail "control characters"

# Other shapes of the file are no crash.
for bad in '{}' '[]' '{"status": {"migration": {"vms": [3, {}, {"pipeline":
  [1, {"name": "DiskTransfer", "started": "yesterday", "tasks": 5}]}]}}}'; do
  echo "$bad" >"$state/status.json"
  expect_status 0 "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" \
    --html "$page"
  good "$page"
done

# What a browser makes of it, light and dark: two pictures that differ, and
# neither is of one colour.
cp "$tmp/good.json" "$state/status.json"
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --html "$page"
browser=$(command -v chromium || command -v chromium-browser) || {
  echo "no chromium: the page was not looked at"
  exit 0
}
for scheme in 0 1; do           # dark, light
  HOME=$tmp timeout 120 "$browser" --headless --no-sandbox --disable-gpu \
    --disable-dev-shm-usage --user-data-dir="$tmp/browser" \
    --window-size=1000,3000 --blink-settings=preferredColorScheme=$scheme \
    --screenshot="$tmp/$scheme.png" "file://$page" >"$tmp/chromium" 2>&1 ||
    { cat "$tmp/chromium"; fail "chromium cannot show the page"; }
  [ "$(stat -c %s "$tmp/$scheme.png")" -gt 20000 ] || fail "an empty picture"
done
! cmp -s "$tmp/0.png" "$tmp/1.png" || fail "dark is as light"
if [ -n "${KEEP_SCREENSHOTS:-}" ]; then
  cp "$tmp/0.png" "$KEEP_SCREENSHOTS/report-dark.png"
  cp "$tmp/1.png" "$KEEP_SCREENSHOTS/report-light.png"
fi
