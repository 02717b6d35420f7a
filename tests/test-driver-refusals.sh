#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Plans and folders that nbdlift run must refuse: exit status, words, and
# that nothing was made.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 4M 500000
make_disk "$tmp/b.raw" 2M 300000
make_ova --name web "$tmp/ova/web.ova" "$tmp/a.raw"
make_ova --name db "$tmp/ova/db.ova" "$tmp/b.raw"
out=$tmp/out
plan=$tmp/plan.yaml

# refused STATUS PATTERN: the plan on standard input is refused with both,
# and nothing was made.
refused () {
  cat >"$plan"
  expect_error "$2" "$NBDLIFT" run "$plan" --output "$out"
  [ "$status" -eq "$1" ] || fail "status $status instead of $1"
  [ ! -e "$out" ] || [ -z "$(find "$out" -name '*.img*')" ] ||
    fail "a volume was made"
  rm -rf "$out"
}

# VMs and maps.
make_plan "$tmp/ova" web nobody |
  refused 3 "spec.vms\[1\]: no VM has the name 'nobody'"
make_ova --name web "$tmp/ova/web2.ova" "$tmp/b.raw"
make_plan "$tmp/ova" web | refused 3 "web2\.ova"
rm "$tmp/ova/web2.ova"
id=$("$NBDLIFT" describe "$plan" web -o json | jq -r .id)
make_plan "$tmp/ova" web "$id" |
  sed "s/name: \"$id\"/id: \"$id\"/" | refused 3 'in the plan twice'
networks='[{source: {name: Other}, destination: {type: pod}}]' \
  make_plan "$tmp/ova" web | refused 3 "network 'VM Network'.*does not map"
storages='[{source: {id: other}, destination: {storageClass: fast}}]' \
  make_plan "$tmp/ova" web | refused 3 'StorageMap storages does not map'
make_ova --name two-nics --nic 'VM Network' --nic 'VM Network' \
  "$tmp/ova/two-nics.ova" "$tmp/b.raw"
make_plan "$tmp/ova" two-nics | refused 3 '2 NICs are mapped to the pod'
rm "$tmp/ova/two-nics.ova"

# What this version cannot do is refused, not dropped.
plan_spec='warm: true' make_plan "$tmp/ova" web | refused 3 'warm'
plan_spec='archived: true' make_plan "$tmp/ova" web >"$tmp/archived.yaml"
refused 3 'an archived plan is never run' <"$tmp/archived.yaml"

# ... while the plan itself is right, which check says.
expect_status 0 "$NBDLIFT" check "$tmp/archived.yaml"
expect_output 'warning: .*an archived plan is never run'

# Without effect, and said.
plan_spec=$'skipGuestConversion: true\npreserveStaticIPs: true' \
  make_plan "$tmp/ova" web >"$plan"
expect_status 0 "$NBDLIFT" run "$plan" --output "$out"
expect_output 'preserveStaticIPs has no effect'
rm -rf "$out"

# Programs that are not installed are missed before anything is copied.
mkdir "$tmp/bin"
for program in bash cat env nbdkit qemu-img; do
  ln -s "$(command -v $program)" "$tmp/bin/"
done
plan_spec='description: converted' make_plan "$tmp/ova" web >"$plan"
expect_error 'virt-v2v-in-place, which this plan needs.*install the package' \
  env PATH="$tmp/bin" "$NBDLIFT" run "$plan" --output "$out"
[ "$status" -eq 3 ] || fail "status $status"
[ ! -e "$out" ] || fail "something was made"

# Which plan?
make_plan "$tmp/ova" web | sed '/^kind: Plan/,$d' | sed '$d' |
  refused 3 'no Plan'
{
  make_plan "$tmp/ova" web
  echo ---
  plan_name=plan2 make_plan "$tmp/ova" db | sed -n '/^kind: Plan/,$p' |
    sed '1i apiVersion: forklift.konveyor.io/v1beta1'
} >"$tmp/two.yaml"
refused 3 'several Plans \(mig/plan1, mig/plan2\).*--plan' <"$tmp/two.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/two.yaml" --output "$out" \
  --plan mig/plan2
[ -e "$out/target/db.yaml" ] || fail "plan2 did not run"
[ ! -e "$out/target/web.yaml" ] || fail "plan1 ran"
rm -rf "$out"
expect_error 'no Plan called' \
  "$NBDLIFT" run "$tmp/two.yaml" --output "$out" --plan plan3

# A Migration of another plan is an error; cutover has no effect; a VM that
# it cancels is left out.
cancelling () {
  cat <<YAML
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Migration
metadata: {name: m, namespace: mig}
spec:
  plan: {name: $1, namespace: mig}
  cutover: "2030-01-01T00:00:00Z"
  cancel: [{name: db}]
YAML
}
{ make_plan "$tmp/ova" web; cancelling other; } | refused 3 'other'
{ make_plan "$tmp/ova" web db; cancelling plan1; } >"$plan"
expect_status 0 "$NBDLIFT" run "$plan" --output "$out"
expect_output 'VM db: is not migrated: the Migration cancels it'
[ ! -e "$out/target/db.yaml" ] || fail "a cancelled VM was migrated"
rm -rf "$out"

# The source: unreachable, and broken.
make_plan "$tmp/nowhere" web >"$plan"
expect_error 'nowhere' "$NBDLIFT" run "$plan" --output "$out"
[ "$status" -eq 4 ] || fail "status $status"
expect_error 'nowhere' "$NBDLIFT" check "$plan"
[ "$status" -eq 4 ] || fail "status $status"
expect_status 0 "$NBDLIFT" check --no-source "$plan"

# The file itself.
printf 'kind: Plan\n\tname: x\n' | refused 3 "$plan:2:"
expect_error 'absent.yaml' "$NBDLIFT" run "$tmp/absent.yaml" -o "$out"
[ "$status" -eq 3 ] || fail "status $status"

# The folder: of others, not writable, a file.
make_plan "$tmp/ova" web db >"$plan"
mkdir -p "$out"
expect_status 0 "$NBDLIFT" run "$plan" --output "$out" --vm web
volume=$(volume_of "$out" web 0)
rm -rf "$out"
mkdir -p "$(dirname "$volume")"
echo precious >"$volume"
expect_error 'web' "$NBDLIFT" run "$plan" --output "$out"
[ "$status" -eq 7 ] || fail "status $status"
[ "$(cat "$volume")" = precious ] || fail "a foreign volume was touched"
[ -e "$out/target/db.yaml" ] || fail "the other VM was stopped"
expect_error 'web' "$NBDLIFT" run "$plan" --output "$out" --vm web
[ "$status" -eq 5 ] || fail "status $status"
rm -rf "$out"
echo precious >"$out"
expect_error "$out" "$NBDLIFT" run "$plan" --output "$out"
[ "$status" -eq 5 ] || fail "status $status"
[ "$(cat "$out")" = precious ] || fail "a foreign file was touched"
rm -f "$out"

# An earlier result without its journal is not taken for ours.
expect_status 0 "$NBDLIFT" run "$plan" --output "$out" --vm web -q
rm -rf "$out/.nbdlift"
expect_error 'does not know of it' \
  "$NBDLIFT" run "$plan" --output "$out" --vm web
[ "$status" -eq 5 ] || fail "status $status"
cmp -n 4194304 "$tmp/a.raw" "$volume"

# Another VM behind the same target name.
rm -rf "$out"
expect_status 0 "$NBDLIFT" run "$plan" --output "$out" --vm web -q
make_plan "$tmp/ova" db | sed 's/- name: "db"/&\n    targetName: web/' >"$plan"
expect_error 'was begun for the VM with id' \
  "$NBDLIFT" run "$plan" --output "$out"
cmp -n 4194304 "$tmp/a.raw" "$volume"
no_servers
