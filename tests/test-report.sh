#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift report: the page of a run with a VM that succeeds, one that fails
# and names that would like to be markup; well-formed and self-contained.
# How a browser shows it is in test-report-browser.sh.

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

h1='//*[local-name() = "h1"]'
lead='//*[@class = "lead"]'
row='//*[local-name() = "tr"]'
item='//*[local-name() = "li"]'
pre='//*[local-name() = "pre"]'
state=$out/.nbdlift/mig/plan1

# A run that goes on, and that is killed: it is interrupted since its last
# sign of life.
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm web --rate 2M \
  >"$tmp/killed" 2>&1 &
run=$!
until [ -s "$state/vms/web/disk-0.samples" ]; do
  kill -0 "$run" || fail "the run has ended: $(cat "$tmp/killed")"
  sleep 0.1
done
sleep 2.5                       # the status is written every two seconds
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --html "$page"
good "$page"
has "${lead}[contains(., 'Executing: 0 of 1 VM migrated, 1 being migrated')]"
has "${pre}[. = 'nbdlift status $tmp/plan.yaml --output=$out']"
kill -KILL "$run"
wait "$run" || true
wait_no_servers
touch -d '2026-01-02 03:04:05' "$state/status.json"
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --html "$page"
good "$page"
has "${lead}[contains(., 'Interrupted: 0 of 1 VM migrated, 1 interrupted')]"
has "//*[local-name() = 'dd'][. = '2026-01-02 03:04:05 UTC']"
has "${item}[contains(., '1 not done.')]"

expect_status 7 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 9M
cp "$state/status.json" "$tmp/good.json"
[ "$(wc -l <"$state/vms/web/disk-0.samples")" -ge 3 ] ||
  fail "no samples of a copy that takes seconds"

expect_status 0 "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" \
  --html "$page"
good "$page"
has "${h1}[. = 'mig/plan1']"
has "${lead}[contains(., 'Failed: 1 of 2 VMs migrated, 1 failed')]"
has "${row}[contains(., 'web') and contains(., 'Succeeded') and contains(., '35 MiB')]"
has "${row}[contains(., 'broken') and contains(., 'Failed')]"
has "${row}[contains(., 'DiskTransfer') and contains(., 'Completed')]"
has "${pre}[. = 'kubectl apply -f $out/target/web.yaml']"
has "${pre}[contains(., 'nbdlift run $tmp/plan.yaml --output=$out --vm=')]"
has "${pre}[contains(., 'nbdlift cancel $tmp/plan.yaml --output=$out --vm=')]"
! grep -q 'The commands are for the folder' "$page" ||
  fail "a folder for commands with whole paths"
# Each drawing has a name, each table a caption; the long copy a curve.
has '//*[@class = "curve"]'
count () {
  xmllint --nonet --xpath "count($1)" "$page"
}
[ "$(count '//*[@role = "img"]')" -gt 3 ] || fail "no drawings"
[ "$(count '//*[@role = "img" and not(string(@aria-label))]')" = 0 ] ||
  fail "drawings without a name"
[ "$(count '//*[local-name() = "table"]')" = \
  "$(count '//*[local-name() = "caption"]')" ] ||
  fail "tables without a caption"
error=$(jq -r '.status.migration.vms[1].error.reasons[0]' \
  "$state/status.json")
has "${item}[contains(., \"${error:0:30}\")]"

# What was read of a disk is what its samples end with (of a run that does
# not go on after one that was killed: that one reads less).
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/whole" \
  --vm web -q
last=$(tail -n 1 "$tmp/whole/.nbdlift/mig/plan1/vms/web/disk-1.samples")
{ [ "${last#* }" -ge 3000000 ] && [ "${last#* }" -le 3145728 ]; } ||
  fail "the last sample is '$last'"

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
sleep 1                         # times have seconds
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm web
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --ask-source \
  >"$page"
good "$page"
has '//*[local-name() = "h3"][. = "Today, asked anew"]'
has "${row}[contains(., 'broken') and contains(., 'in an earlier run')]"
if [ -c /dev/full ]; then
  status=0
  "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" >/dev/full \
    2>"$tmp/full" || status=$?
  [ "$status" -eq 1 ] || fail "status $status for a full disk"
fi

# Relative paths: the page says where the commands are right.
(cd "$tmp" && "$NBDLIFT" report plan.yaml --output out) >"$page"
has "//*[contains(., 'The commands are for the folder $tmp.')]"

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
has "${item}[contains(., '<script>alert(1)</script>')]"
has "${pre}[contains(., '<img src=x>')]"
! grep -q $'[\001-\010\013-\037]' "$page" || fail "control characters"

# Odd members are no crash.
echo '{"status": {"conditions": [5, {"message": 7}], "migration": {"started":
  7, "vms": [3, {}, {"concerns": [1, {"category": 5}], "conditions": "x",
  "pipeline": [1, {"name": "DiskTransfer", "started": "yesterday",
  "tasks": 5, "warning": []}, {"name": "DiskTransfer", "started":
  "9999-12-31T23:59:59Z", "progress": {"total": 9223372036854775807,
  "completed": -1}}]}]}}}' >"$state/status.json"
expect_status 0 "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" \
  --html "$page"
good "$page"

# What is no status at all is told, with its place, and no page is written.
rm "$page"
for bad in '{}' '[]' '{"status": {"migration": {"vms": {}}}}'; do
  echo "$bad" >"$state/status.json"
  expect_error "status\.json is not the status of a run.*nbdlift run" \
    "$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --html "$page"
  [ "$status" -eq 1 ] || fail "status $status"
done
printf '{\n"status": {,\n' >"$state/status.json"
expect_error 'status\.json.*2' "$NBDLIFT" report "$tmp/plan.yaml" \
  --output "$out" --html "$page"
truncate -s 65M "$state/status.json"
expect_error 'status\.json' "$NBDLIFT" report "$tmp/plan.yaml" \
  --output "$out" --html "$page"
[ ! -e "$page" ] || fail "a page of a broken status"

# All VMs are migrated: the state can go.
jq '.status.migration.vms |= .[:1]' "$tmp/good.json" >"$state/status.json"
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --html "$page"
has "${lead}[contains(., 'Succeeded: 1 of 1 VM migrated')]"
has "${pre}[. = 'nbdlift cleanup $tmp/plan.yaml --output=$out']"
has "${pre}[. = 'nbdlift verify $tmp/plan.yaml --output=$out']"

# 300 VMs: those that are well are folded, commands name all, and the same
# concern of all VMs is there once.
jq '.status.migration.vms = [.status.migration.vms[0] as $vm |
      range (300) | $vm + {name: "vm\(.)", id: "id-\(.)", concerns: [
      {id: "x", category: "Warning", label: "Label", assessment: "text"}]} |
      if .name == "vm7" then .conditions[0].type = "Failed" else . end]' \
  "$tmp/good.json" >"$state/status.json"
before=$(date +%s)
"$NBDLIFT" report "$tmp/plan.yaml" --output "$out" --html "$page"
[ "$(($(date +%s) - before))" -lt 20 ] || fail "a report takes so long"
good "$page"
details='//*[local-name() = "details" and @class = "card"]'
[ "$(count "$details")" = 300 ] || fail "not all VMs are there"
[ "$(count "${details}[@open]")" = 1 ] || fail "VMs that are well are open"
has "${pre}[contains(., '--vm=id-299') and not(contains(., '--vm=id-7 '))]"
has "${item}[contains(., 'Label') and contains(., 'vm4 and 295 more')]"
