#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A server that goes wrong in the middle of a copy: right bytes or a clear
# error, never wrong bytes, and no session is left behind.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/vsphere-plugin-functions.sh
requires nbdcopy
requires jq
tmpdir

sample_disk "$tmp/a.raw" 33554944 1
sample_disk "$tmp/mid.raw" 33554944 1
change_disk "$tmp/a.raw" "$tmp/mid.raw" 2
cat >"$tmp/vc.json" <<END
{"esx": [{"host": "DC0_H0"}], "vms": [
  {"name": "a", "disks": [{"file": "$tmp/a.raw"}]},
  {"name": "chain", "disks": [{"file": "$tmp/a.raw", "links": [
     {"type": "vmfsSparse", "data": "$tmp/mid.raw"}]}]}]}
END
start_vsphere "$tmp/vc.json"

# Right bytes, although RULE makes some requests fail.  The first four are
# those of the start.
survives () {
  local vm want
  for vm in a chain; do
    want=$tmp/a.raw
    [ $vm = a ] || want=$tmp/mid.raw
    vcsim_reset_counters
    vcsim_rule "$1"
    copy_disk "$tmp/out" vm=$vm block=256K timeout=10 ||
      fail "no copy of $vm with $1"
    same_bytes "$want" "$tmp/out"
    [ "$(vcsim_counter rules_fired)" -gt 0 ] || fail "it did not happen: $1"
    vcsim_clear_rules
    expect_logged_out
  done
}

survives '{"path": "vmdk", "skip": 20, "count": 5, "status": 503}'
survives '{"path": "vmdk", "skip": 20, "count": 3, "status": 503,
           "retry_after": "1"}'
survives '{"path": "vmdk", "skip": 12, "count": 3, "status": 500}'
survives '{"path": "vmdk", "skip": 12, "count": 2, "status": 401}'
survives '{"path": "vmdk", "skip": 15, "count": 2, "expire": true}'
survives '{"path": "vmdk", "skip": 15, "count": 4, "reset": true}'
survives '{"path": "vmdk", "skip": 15, "count": 4, "truncate": 1000}'
survives '{"path": "vmdk", "skip": 15, "count": 4, "truncate": 0}'
survives '{"path": "vmdk", "skip": 15, "count": 4, "start_off": 512}'
survives '{"path": "vmdk", "skip": 15, "count": 4, "total_off": 512}'
survives '{"path": "vmdk", "skip": 15, "count": 4, "no_content_range": true}'
survives '{"path": "vmdk", "skip": 15, "count": 2, "ignore_range": true}'
survives '{"path": "vmdk", "skip": 15, "count": 2, "garbage": "<html>login</html>"}'

# For good: an error that says what it is, in time.  One request at a time:
# nbdkit 1.32 aborts (raw_send_socket) if a client goes away while several of
# its replies are written.
nbdcopy_args='--connections=1 --requests=1'
# dies PATTERN RULE
dies () {
  vcsim_rule "$2"
  rm -f "$tmp/out"
  expect_error "$1" copy_disk "$tmp/out" vm=a block=256K timeout=5 \
    connections=2
  ! grep -q -F "$vc_password" <<<"$output" || fail "the password is shown"
  [ ! -e "$tmp/out" ] || ! cmp -s "$tmp/a.raw" "$tmp/out" ||
    fail "all bytes in spite of $2"
  vcsim_clear_rules
  expect_logged_out
}
dies 'status 403' '{"path": "flat", "skip": 10, "status": 403}'
dies 'redirect' '{"path": "flat", "skip": 10, "status": 302,
                  "location": "https://127.0.0.1:1/elsewhere"}'
# While it starts: nothing is served.
dies 'ignores ranges' '{"path": "flat", "ignore_range": true}'
dies 'status 404|no such object' '{"path": "flat", "status": 404}'
dies 'ignores ranges' \
  '{"path": "a.vmdk", "garbage": "<html>login</html>"}'

# served VM: nbdkit with the disk of a VM, and a slow copy of it that has
# begun at $start.
served () {
  rm -f "$tmp/pid" "$tmp/sock" "$tmp/out"
  vcsim_set '{"delay_ms": 100}'
  start_nbdkit -P "$tmp/pid" -U "$tmp/sock" "$VSPHERE_PLUGIN" \
    "${server[@]}" vm="$1" block=256K connections=1
  vcsim_reset_counters
  # shellcheck disable=SC2086
  nbdcopy $nbdcopy_args "nbd+unix:///?socket=$tmp/sock" "$tmp/out" \
    2>"$tmp/copy.log" &
  copy_pid=$!
  wait_for_reads 5
  start=$SECONDS
}
# wait_for_reads N: until N requests for files were seen.
wait_for_reads () {
  local i
  for ((i = 0; i < 300; i++)); do
    [ "$(vcsim_counter folder_requests)" -lt "$1" ] || return 0
    sleep 0.1
  done
  fail "the copy does not begin"
}
copy_fails () {
  ! wait "$copy_pid" || fail "a copy of $1"
  [ $((SECONDS - start)) -le 10 ] ||
    fail "$1: an error after $((SECONDS - start)) s"
}
# ends_at_once WHAT: nbdkit ends when it is told to, and logs out.
ends_at_once () {
  local start=$SECONDS
  stop_nbdkit "$tmp/pid"
  [ $((SECONDS - start)) -le 5 ] ||
    fail "$1: nbdkit ends after $((SECONDS - start)) s"
  expect_no_sessions
}

# The VM is switched on in the middle: no retries.
served a
vcsim_power a on
copy_fails "a VM that runs"
ends_at_once "a VM that runs"
[ "$(vcsim_counter locked)" -le 10 ] || fail "a locked file is tried again"
vcsim_power a off

# nbdkit is told to end while it tries again, and while a server says nothing.
for rule in '"status": 500' '"delay_ms": 60000'; do
  served a
  vcsim_rule "{\"path\": \"flat\", $rule}"
  sleep 1
  ends_at_once "$rule"
  copy_fails "$rule"
  vcsim_clear_rules
done
