#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Command lines, and what check, inventory, describe and serve print.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
requires nbdinfo

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 4M 500000
make_disk "$tmp/b.raw" 1500K 300000
make_ova --name web --mf sha256 --cpus 4 --cores 2 --memory 2048 \
  --firmware efi "$tmp/ova/web.ova" "$tmp/a.raw" "$tmp/b.raw"
make_ova --name Db_One --empty 3000000 "$tmp/ova/db.ova" "$tmp/b.raw"
make_plan "$tmp/ova" web Db_One >"$tmp/plan.yaml"
plan=$tmp/plan.yaml

echo "== usage"
[ "$("$NBDLIFT" --version | head -n 1)" = "nbdlift 0.1.0" ] ||
  fail "--version"
expect_status 0 "$NBDLIFT" --help
expect_output '^Usage: nbdlift COMMAND'
[ -z "$("$NBDLIFT" --help 2>&1 >/dev/null)" ] || fail "help on stderr"
expect_status 2 "$NBDLIFT"
expect_output "Try 'nbdlift --help'"
expect_status 2 "$NBDLIFT" --no-such
expect_status 2 "$NBDLIFT" no-such
expect_output "unknown command 'no-such'"
for command in run check inventory describe serve verify status; do
  expect_status 2 "$NBDLIFT" $command --no-such "$plan"
  expect_output "unrecognized option"
  expect_output "Try 'nbdlift $command --help'"
  expect_status 2 "$NBDLIFT" $command
done
expect_status 2 "$NBDLIFT" run "$plan"
expect_output 'output=DIR is missing'
expect_status 2 "$NBDLIFT" run "$plan" -o "$tmp/o" --max-inflight 0
expect_status 2 "$NBDLIFT" check "$plan" -o yaml
expect_status 2 "$NBDLIFT" inventory "$plan" ova nothing
expect_status 2 "$NBDLIFT" describe "$plan" web -o table
ln -s "$(command -v "$NBDLIFT")" "$tmp/kubectl-nbdlift"
expect_status 0 "$tmp/kubectl-nbdlift" check "$plan"
status=0
"$NBDLIFT" --help >/dev/full 2>"$tmp/err" || status=$?
[ "$status" -eq 1 ] || fail "status $status with a full standard output"

echo "== check"
expect_status 0 "$NBDLIFT" check "$plan"
expect_output "$plan:[0-9]+:[0-9]+: warning: Plan mig/plan1: spec.vms\[1\]: VM \
Db_One: will be called db-one"
expect_output '^ready: 0 critical, 3 warnings, 0 notes'
"$NBDLIFT" check "$plan" -o json >"$tmp/json"
jq -e '.ready and (.problems | length) == 3 and
  .problems[0].type == "TargetNameNotValid" and
  .problems[2].type == "MacConflicts"' "$tmp/json" >"$tmp/verdict"
sed 's/name: web/name: nope/' "$plan" >"$tmp/bad.yaml"
sed -i 's/"web"/"nope"/; s/VM Network/Other/' "$tmp/bad.yaml"
status=0
"$NBDLIFT" check - -o json <"$tmp/bad.yaml" >"$tmp/json" || status=$?
[ "$status" -eq 3 ] || fail "status $status"
jq -e '(.ready | not) and
  ([.problems[] | select (.category == "Critical") | .type] | sort) ==
    ["VMNetworksNotMapped", "VMNotFound"] and
  (.problems[] | select (.type == "VMNotFound") |
    .file == "-" and .line > 0 and .path == "spec.vms[0]")' "$tmp/json" \
  >"$tmp/verdict" || { cat "$tmp/json"; fail "check -o json"; }
expect_status 0 "$NBDLIFT" check --no-source "$tmp/bad.yaml"
expect_status 0 "$NBDLIFT" check --schema-only "$tmp/bad.yaml"
sed -n '/^kind: Plan/,$p' "$plan" |
  sed '1i apiVersion: forklift.konveyor.io/v1beta1' >"$tmp/alone.yaml"
expect_status 0 "$NBDLIFT" check --schema-only "$tmp/alone.yaml"
expect_status 3 "$NBDLIFT" check "$tmp/alone.yaml"

echo "== inventory"
"$NBDLIFT" inventory "$plan" mig/ova vms >"$tmp/table"
cat "$tmp/table"
head -n 1 "$tmp/table" | grep -Eq '^ID +NAME +POWER +FIRMWARE +CPUS +MEMORY'
[ "$(wc -l <"$tmp/table")" -eq 3 ]
grep -Eq '^[0-9a-f-]+ +Db_One +Off +[a-z]+ +[0-9]+ +[0-9]+ +2 +1 +1 +db.ova' \
  "$tmp/table"
grep -Eq ' web +Off +uefi +4 +2048 +2 ' "$tmp/table"
for c in vms networks storages disks; do
  "$NBDLIFT" inventory "$plan" ova $c -o json >"$tmp/json"
  jq -e 'type == "array" and length > 0 and all (.[]; .id and .name)' \
    "$tmp/json" >"$tmp/verdict"
  "$NBDLIFT" inventory "$plan" ova $c -o yaml >"$tmp/yaml"
  "$NBDLIFT" inventory "$plan" ova $c >"$tmp/table"
  [ "$(wc -l <"$tmp/table")" -eq $(($(jq length "$tmp/json") + 1)) ]
done
expect_status 1 "$NBDLIFT" inventory "$plan" ova hosts
expect_status 3 "$NBDLIFT" inventory "$plan" nope vms
expect_output "no Provider called 'nope'"
expect_status 3 "$NBDLIFT" inventory "$plan" host vms
expect_output "no source of type 'openshift'"

echo "== describe"
"$NBDLIFT" describe "$plan" web -o json >"$tmp/json"
jq -e '.name == "web" and .cpuCount == 4 and .coresPerSocket == 2 and
  .memoryMB == 2048 and .firmware == "uefi" and
  (.disks | map (.capacity)) == [4194304, 1536000]' "$tmp/json" \
  >"$tmp/verdict"
id=$(jq -r .id "$tmp/json")
"$NBDLIFT" describe "$plan" "$id" -o json | cmp - "$tmp/json"
"$NBDLIFT" describe "$plan" web.ova -o json | cmp - "$tmp/json"
"$NBDLIFT" describe "$plan" web --provider ova -o json | cmp - "$tmp/json"
grep -qx 'name: web' <<<"$("$NBDLIFT" describe "$plan" web -o yaml)"
"$NBDLIFT" describe "$plan" web -o libvirtxml >"$tmp/xml"
if command -v xmllint >/dev/null; then
  xmllint --noout "$tmp/xml"
fi
[ "$(grep -c "<host name='localhost' port='1080[9]'\|<host name='localhost' \
port='10810'\|<host name=\"localhost\" port=\"108\(09\|10\)\"" "$tmp/xml")" \
  -eq 2 ] || { cat "$tmp/xml"; fail "libvirtxml"; }
expect_status 1 "$NBDLIFT" describe "$plan" nope
expect_output 'Db_One'

echo "== serve"
cat >"$tmp/read" <<'SH'
set -e
[ "$NBDLIFT_DISKS" = 2 ]
nbdcopy "$NBDLIFT_URI_0" "$1/0.raw"
nbdcopy "$NBDLIFT_URI_1" "$1/1.raw"
echo "$NBDLIFT_URI_0" >"$1/uri"
SH
expect_status 0 "$NBDLIFT" serve "$plan" web --run "sh $tmp/read $tmp"
same_bytes "$tmp/a.raw" "$tmp/0.raw"
same_bytes "$tmp/b.raw" "$tmp/1.raw"
grep -q '^nbd+unix://' "$tmp/uri" || fail "not a Unix socket"
expect_status 0 "$NBDLIFT" serve "$plan" web --tcp --run "sh $tmp/read $tmp
  cp --preserve=mode \$NBDLIFT_LIBVIRTXML $tmp/xml"
[ "$(stat -c %a "$tmp/xml")" = 600 ] || fail "the domain is for others too"
same_bytes "$tmp/a.raw" "$tmp/0.raw"
same_bytes "$tmp/b.raw" "$tmp/1.raw"
grep -q '^nbd://127.0.0.1:[0-9]' "$tmp/uri" || fail "not TCP: $(cat "$tmp/uri")"
port=$(sed 's/.*:\([0-9]*\).*/\1/' "$tmp/uri")
grep -q "$port" "$tmp/xml" || fail "the domain does not have port $port"
expect_status 42 "$NBDLIFT" serve "$plan" web --run 'exit 42'
# shellcheck disable=SC2016
expect_status 137 "$NBDLIFT" serve "$plan" web --run 'kill -KILL $$'
expect_status 1 "$NBDLIFT" serve "$plan" nope --run true
# A blank disk has no URI.
# shellcheck disable=SC2016
expect_status 0 "$NBDLIFT" serve "$plan" Db_One --run \
  'test -n "$NBDLIFT_URI_0" && test -z "$NBDLIFT_URI_1"'
no_servers

"$NBDLIFT" serve "$plan" web >"$tmp/uris" 2>"$tmp/log" &
pid=$!
for ((i = 0; i < 200; i++)); do
  [ "$(wc -l <"$tmp/uris")" -lt 2 ] || break
  kill -0 "$pid" || { cat "$tmp/log"; fail "serve has ended"; }
  sleep 0.05
done
[ "$(nbdinfo --size "$(head -n 1 "$tmp/uris")")" -eq 4194304 ]
[ "$(nbdinfo --size "$(tail -n 1 "$tmp/uris")")" -eq 1536000 ]
kill -TERM "$pid"
wait "$pid" || fail "status $?"
no_servers
[ -z "$(find "$tmp" -name '*.sock' -o -name 'nbdlift-*')" ] ||
  fail "serve left something"
