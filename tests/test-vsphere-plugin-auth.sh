#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Logging in: the forms of the password, who the server is, and sessions,
# which are closed on every way out.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/vsphere-plugin-functions.sh
requires nbdinfo
requires jq
tmpdir

sample_disk "$tmp/a.raw" 2097152 1
cat >"$tmp/vc.json" <<END
{"esx": [{"host": "DC0_H0"}], "vms": [
  {"name": "a", "disks": [{"file": "$tmp/a.raw"}]}]}
END
start_vsphere "$tmp/vc.json"

where=(server="${vc_host%:*}" port="${vc_host##*:}")
# vsphere ARGS...: without the parameters of $server.
vsphere () {
  # shellcheck disable=SC2016
  "$NBDKIT" -U - "$VSPHERE_PLUGIN" "$@" vm=a --run 'nbdinfo --size "$uri"'
}
works () {
  [ "$(vsphere "$@")" = 2097152 ] || fail "no login: ${*/password=*/...}"
  expect_logged_out
}

# The password: a file, whose first line counts, and a file descriptor.
works "${where[@]}" user="$vc_user" password=+"$tmp/password" \
  thumbprint="$vc_thumbprint"
{ cat "$tmp/password"; echo another line; } >"$tmp/password2"
works "${where[@]}" user="$vc_user" password=+"$tmp/password2" \
  thumbprint="$vc_thumbprint"
works "${where[@]}" user="$vc_user" password=-9 \
  thumbprint="$vc_thumbprint" 9<"$tmp/password"
case $vc_password in
  [-+]*) ;;
  *) works "${where[@]}" user="$vc_user" password="$vc_password" \
       thumbprint="$vc_thumbprint" ;;
esac
expect_error 'cannot|could not|not found|No such file' vsphere \
  "${where[@]}" user="$vc_user" password=+"$tmp/nothing" sslverify=false
expect_error 'not a tty' vsphere "${where[@]}" user="$vc_user" password=- \
  sslverify=false

# Never in a log.
vsphere -v "${where[@]}" user="$vc_user" password=+"$tmp/password" \
  thumbprint="$vc_thumbprint" >"$tmp/log" 2>&1
! grep -q -F "$vc_password" "$tmp/log" || fail "the password is in the log"

echo wrong-Pa55 >"$tmp/wrong"
expect_error "login of user.*(incorrect|InvalidLogin|user name or)" vsphere \
  "${where[@]}" user="$vc_user" password=+"$tmp/wrong" sslverify=false
expect_error 'user= is missing' vsphere "${where[@]}" \
  password=+"$tmp/password"
expect_error 'password= is missing' vsphere "${where[@]}" user="$vc_user"
expect_error 'server= is missing' vsphere user=x password=+"$tmp/password"
expect_error 'vm= is missing' "$NBDKIT" -U - "$VSPHERE_PLUGIN" \
  "${where[@]}" user=x password=+"$tmp/password" --run true
expect_error "unknown parameter 'vmname'" vsphere vmname=x
for bad in connections=0 connections=65 block=5M block=32K block=96K \
    sslverify=maybe timeout=-1 port=x thumbprint=12:34; do
  expect_error "${bad%%=*}|not|parse|12:34" vsphere "${where[@]}" \
    user="$vc_user" password=+"$tmp/password" "$bad"
done

# Who the server is.
works "${where[@]}" user="$vc_user" password=+"$tmp/password" \
  thumbprint="$vc_thumbprint_sha256"
works "${where[@]}" user="$vc_user" password=+"$tmp/password" \
  thumbprint="$(tr -d : <<<"$vc_thumbprint" | tr A-F a-f)"
works "${where[@]}" user="$vc_user" password=+"$tmp/password" \
  cainfo="$vc_cafile"
(cd "$tmp" && cp "$vc_cafile" ca.pem && PATH=$srcdir:$PATH &&
  "$NBDKIT" -U - "$VSPHERE_PLUGIN" "${where[@]}" user="$vc_user" \
    password=+password cainfo=ca.pem vm=a --run true)
works "${where[@]}" user="$vc_user" password=+"$tmp/password" \
  sslverify=false
works url="$vc_url" user="$vc_user" password=+"$tmp/password" \
  thumbprint="$vc_thumbprint"
vcsim_reset_counters
expect_error "$vc_other_thumbprint" vsphere "${where[@]}" user="$vc_user" \
  password=+"$tmp/password" thumbprint="$vc_other_thumbprint"
expect_output "$vc_thumbprint"
expect_error 'certificate|self.signed' vsphere "${where[@]}" \
  user="$vc_user" password=+"$tmp/password"
[ "$(vcsim_counter logins)" -eq 0 ] ||
  fail "the password was sent to a server that is not known"

# Sessions: one login for all disks and clients.
good=("${where[@]}" user="$vc_user" password=+"$tmp/password"
      thumbprint="$vc_thumbprint" vm=a)
vcsim_reset_counters
start_nbdkit -P "$tmp/pid" -U "$tmp/sock" "$VSPHERE_PLUGIN" "${good[@]}"
for _ in 1 2 3; do
  nbdcopy "nbd+unix:///?socket=$tmp/sock" "$tmp/out"
  same_bytes "$tmp/a.raw" "$tmp/out"
done
[ "$(vcsim_counter logins)" -eq 1 ] || fail "$(vcsim_counter logins) logins"
[ "$(vcsim_counter sessions)" -eq 1 ] || fail "no session"
# The server ends it: it is opened again.
vcsim_expire >/dev/null
nbdcopy "nbd+unix:///?socket=$tmp/sock" "$tmp/out"
same_bytes "$tmp/a.raw" "$tmp/out"
[ "$(vcsim_counter logins)" -eq 2 ] || fail "$(vcsim_counter logins) logins"
# SIGTERM.
stop_nbdkit "$tmp/pid"
expect_logged_out

end_background () {
  kill "$1" 2>/dev/null || true
}

# In the background: the parent leaves the session to its child.
"$NBDKIT" -P "$tmp/pid2" -U "$tmp/sock2" "$VSPHERE_PLUGIN" "${good[@]}"
for _ in {1..100}; do [ ! -s "$tmp/pid2" ] || break; sleep 0.1; done
pid=$(cat "$tmp/pid2")
cleanup_fn end_background "$pid"
nbdcopy "nbd+unix:///?socket=$tmp/sock2" "$tmp/out"
same_bytes "$tmp/a.raw" "$tmp/out"
kill "$pid"
for _ in {1..100}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
expect_logged_out

# nbdkit cannot listen: it ends without telling its plugin.
vcsim_reset_counters
expect_error 'No such file' "$NBDKIT" -f -U "$tmp/no/such/folder/sock" \
  "$VSPHERE_PLUGIN" "${good[@]}"
[ "$(vcsim_counter logouts)" -eq "$(vcsim_counter logins)" ] ||
  fail "no logout after a start that failed"
expect_logged_out
# A client that fails, and no such disk.
expect_status 1 "$NBDKIT" -U - "$VSPHERE_PLUGIN" "${good[@]}" --run false
expect_error 'no disk' "$NBDKIT" -U - "$VSPHERE_PLUGIN" "${good[@]}" \
  disk=7 --run true
expect_logged_out
