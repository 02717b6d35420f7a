#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# LUKS passphrases on their way from a Secret to virt-v2v-in-place, for
# which stands a script that opens what it is given; and that they get
# nowhere else.  Encrypted disks themselves: test-luks-disks.sh.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
requires qemu-img --version

tmpdir
mkdir "$tmp/ova" "$tmp/bin"
make_disk "$tmp/0.raw" 2M 300000
make_disk "$tmp/1.raw" 2M 300000
make_ova --name web --format stream "$tmp/ova/web.ova" "$tmp/0.raw" \
  "$tmp/1.raw"
plan_spec=
vm_spec='luks: {name: passphrases, namespace: mig}'
out=$tmp/out

cat >"$tmp/bin/virt-v2v-in-place" <<'SH'
#!/bin/bash
exec 2>&1
printf '%s\n' "$@" >"$SEEN.args"
for a; do
  case $a in
    *:file:*) printf '%s %s\n' "${a%%:*}" "$(cat "${a#*:file:}")" ;;
  esac
done >"$SEEN.keys"
head -n 4 >"$SEEN.stdin"
tr '\0' '\n' </proc/self/environ >"$SEEN.env"
tr '\0' '\n' </proc/$PPID/cmdline >"$SEEN.parent"
[ ! -e "$SEEN.fail" ] || exit 1
echo 'i_osinfo = debian12'
echo 'gcaps_block_bus = virtio-blk'
echo 'gcaps_net_bus = virtio-net'
SH
chmod +x "$tmp/bin/virt-v2v-in-place"
export PATH=$tmp/bin:$PATH SEEN=$tmp/seen

# plan DATA: DATA is that of the Secret, in flow style.
plan () {
  make_plan "$tmp/ova" web
  cat <<YAML
---
apiVersion: v1
kind: Secret
metadata: {name: passphrases, namespace: mig}
$1
YAML
}

secret1='Tr0ub4dor & "three"'
secret2='correct horse: battery'

# Two passphrases: of any device all are tried.  The second one was made
# with echo, and ends with a newline.
plan "data: {b: $(base64 -w0 <<<"$secret2")}
stringData: {a: 'Tr0ub4dor & \"three\"'}" >"$tmp/plan.yaml"
touch "$SEEN.fail"
expect_status 6 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" -v
rm "$SEEN.fail"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" -v \
  --machine-readable=5 5>"$tmp/json"
cp "$tmp/seen.keys" "$tmp/two.keys"
for device in all /dev/sda1 /dev/sda16 /dev/sdb1 /dev/sdb2; do
  for key in "$secret1" "$secret2"; do
    grep -Fxq -- "$device $key" "$tmp/two.keys" ||
      fail "$device is not tried with one of the passphrases"
  done
done
! grep -q '^/dev/sdc' "$tmp/two.keys" || fail 'a third disk'
sort -u "$tmp/seen.stdin" >"$tmp/stdin"
printf '%s\n%s\n' "$secret1" "$secret2" | sort | cmp - "$tmp/stdin" ||
  fail 'standard input'
[ "$(wc -l <"$tmp/seen.stdin")" -eq 4 ] || fail 'not again and again'

# One needs no names of devices.
plan "stringData: {a: 'Tr0ub4dor & \"three\"'}" >"$tmp/one.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/one.yaml" --output "$tmp/out1" -v
printf 'all %s\n' "$secret1" | cmp - "$tmp/seen.keys" || fail 'one key'

# Neither is anywhere else: not in arguments, environment, output, state,
# target or status.
"$NBDLIFT" status "$tmp/plan.yaml" --output "$out" -f json >"$tmp/status"
"$NBDLIFT" check "$tmp/plan.yaml" --output json >"$tmp/checked" 2>&1
printf '%s\n' "$output" >"$tmp/output"
for word in Tr0ub4dor 'correct horse'; do
  ! grep -rlF -- "$word" "$tmp/seen.args" "$tmp/seen.env" \
    "$tmp/seen.parent" "$tmp/json" "$tmp/status" "$tmp/checked" \
    "$tmp/output" "$out" "$tmp/out1" || fail 'a passphrase is in these files'
done
grep -qx -- --keys-from-stdin "$tmp/seen.args"

# Without a Secret there is nothing to read, rather than a terminal.
vm_spec='' make_plan "$tmp/ova" web >"$tmp/none.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/none.yaml" --output "$tmp/out2"
[ ! -s "$tmp/seen.keys" ] || fail 'keys'
[ ! -s "$tmp/seen.stdin" ] || fail 'standard input'

# What cannot be a passphrase is refused before anything is copied.
# refuse TEXT DATA
refuse () {
  plan "$2" >"$tmp/bad.yaml"
  expect_error "$1" "$NBDLIFT" run "$tmp/bad.yaml" --output "$tmp/bad"
  [ "$status" -eq 3 ] || fail "status $status"
  [ ! -e "$tmp/bad" ] || fail 'something was made'
  ! grep -q 'hush' <<<"$output" || fail 'a passphrase is shown'
}
refuse 'holds no passphrase' 'stringData: {}'
refuse 'stringData.a: is no passphrase: it is empty' 'stringData: {a: ""}'
refuse 'stringData.a: .*it is empty' 'stringData: {a: "\nhush"}'
refuse 'stringData.a: .*several lines' 'stringData: {a: "hush\nhush2"}'
refuse 'stringData.a: .*NUL' "data: {a: $(printf 'hush\0' | base64)}"
refuse 'more than 512 bytes' \
  "stringData: {a: hush$(printf 'x%.0s' {1..510})}"
make_plan "$tmp/ova" web >"$tmp/bad.yaml"
expect_error 'no Secret mig/passphrases in the files' \
  "$NBDLIFT" run "$tmp/bad.yaml" --output "$tmp/bad"

# Of no effect, and said.
plan_spec='skipGuestConversion: true' plan 'stringData: {a: b}' \
  >"$tmp/skip.yaml"
expect_status 0 "$NBDLIFT" check "$tmp/skip.yaml"
expect_output 'no effect with skipGuestConversion'
no_servers
