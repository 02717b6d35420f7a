# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests that need a vCenter: source this after functions.sh, then
#
#   start_vcsim CONFIG [ARGS...]   CONFIG is a JSON file (see
#                                  tests/vcsim/README.md)
#
# starts the simulator, or skips the test if there is none, and sets
#
#   $vc_url $vc_host (address:port) $vc_thumbprint $vc_thumbprint_sha256
#   $vc_other_thumbprint $vc_cafile $vc_user $vc_password $vc_pid
#   $esx_url $esx_host $esx_thumbprint $esx_cafile $esx_user $esx_password
#                                  of the first ESXi endpoint, if any
#   $vcsim_log                     a file with what the simulator logged
#
# It ends with the test, or with stop_vcsim.

# shellcheck disable=SC2034 # the variables are for the test
start_vcsim () {
  local config=$1 i
  shift
  [ -x "$BUILD/vcsim" ] || skip "there is no $BUILD/vcsim (make $BUILD/vcsim)"
  requires curl
  requires jq
  vcsim_ready=${tmp:?call tmpdir first}/vcsim-ready.json
  vcsim_log=$tmp/vcsim.log
  rm -rf "$vcsim_ready" "$tmp/vcsim.err" "$tmp/vcsim"
  "$BUILD/vcsim" -config "$config" -dir "$tmp/vcsim" -log "$vcsim_log" \
    "$@" >"$vcsim_ready" 2>"$tmp/vcsim.err" &
  vcsim_job=$!
  cleanup_fn stop_vcsim
  for ((i = 0; i < 600; i++)); do
    [ ! -s "$vcsim_ready" ] || break
    kill -0 "$vcsim_job" 2>/dev/null || break
    sleep 0.1
  done
  if ! vc_url=$(vcsim_get .url) || [ -z "$vc_url" ]; then
    cat "$tmp/vcsim.err" >&2
    fail "the vCenter simulator did not start"
  fi
  vc_host=$(vcsim_get .host)
  vc_thumbprint=$(vcsim_get .thumbprint)
  vc_thumbprint_sha256=$(vcsim_get .thumbprint_sha256)
  vc_other_thumbprint=$(vcsim_get .other_thumbprint)
  vc_cafile=$(vcsim_get .ca_file)
  vc_user=$(vcsim_get .user)
  vc_password=$(vcsim_get .password)
  vc_pid=$(vcsim_get .pid)
  vcsim_debug=$(vcsim_get .debug_url)
  esx_url=$(vcsim_get '.esx[0].url // ""')
  esx_host=$(vcsim_get '.esx[0].host // ""')
  esx_thumbprint=$(vcsim_get '.esx[0].thumbprint // ""')
  esx_cafile=$(vcsim_get '.esx[0].ca_file // ""')
  esx_user=$(vcsim_get '.esx[0].user // ""')
  esx_password=$(vcsim_get '.esx[0].password // ""')
}

stop_vcsim () {
  [ -n "${vcsim_job:-}" ] || return 0
  kill -TERM "$vcsim_job" 2>/dev/null || true
  wait "$vcsim_job" || true
  vcsim_job=
}

# vcsim_get FILTER: from the line that the simulator printed, with jq.
vcsim_get () {
  jq -r "$1" "$vcsim_ready"
}

# vcsim_vm NAME FILTER: of one VM, as it is now:
# vcsim_vm guest .moref; vcsim_vm guest '.disks[0].file'
vcsim_vm () {
  curl -sS "$vcsim_debug/vms" |
    jq -r --arg name "$1" ".[] | select(.name == \$name) | $2"
}

# vcsim_counter NAME [ENDPOINT]: a number; of all endpoints, or of one (vc,
# esx0).
vcsim_counter () {
  curl -sS "$vcsim_debug/counters" |
    jq -r --arg name "$1" --arg part "${2:-}" \
      'if $part == "" then . else .endpoints[$part] end | .[$name] // 0'
}

# vcsim_counters: all of them, in JSON.
vcsim_counters () {
  curl -sS "$vcsim_debug/counters"
}

vcsim_reset_counters () {
  curl -sS -X DELETE "$vcsim_debug/counters" >/dev/null
}

# vcsim_set JSON: change settings: vcsim_set '{"rate": 50000000}'.
vcsim_set () {
  curl -sS --fail-with-body -d "$1" "$vcsim_debug/settings" >/dev/null
}

# vcsim_rule JSON: make requests go wrong:
# vcsim_rule '{"status": 503, "skip": 3, "count": 5}'
vcsim_rule () {
  curl -sS --fail-with-body -d "$1" "$vcsim_debug/rules" >/dev/null
}

vcsim_clear_rules () {
  curl -sS -X DELETE "$vcsim_debug/rules" >/dev/null
}

# vcsim_expire: end all sessions, as an idle time-out would.
vcsim_expire () {
  curl -sS -X POST "$vcsim_debug/expire"
}

# vcsim_power NAME on|off: turn a VM on or off behind the client's back.
vcsim_power () {
  jq -n --arg vm "$1" --arg state "$2" '{vm: $vm, state: $state}' |
    curl -sS --fail-with-body -d @- "$vcsim_debug/power"
}

# expect_no_sessions: all that logged in have logged out.
expect_no_sessions () {
  local n
  n=$(vcsim_counter sessions)
  [ "$n" -eq 0 ] || fail "$n sessions were left open: $(vcsim_counters)"
}

# Calls of the API by hand.  vcsim_session vc|esx chooses the endpoint, and
# the names of its singletons.
vcsim_session () {
  vcsim_jar=$tmp/vcsim-$1.jar
  case $1 in
    vc)
      vcsim_url=$vc_url
      vcsim_sm=SessionManager vcsim_pc=propertyCollector ;;
    esx)
      vcsim_url=$esx_url
      vcsim_sm=ha-sessionmgr vcsim_pc=ha-property-collector ;;
  esac
}

# vcsim_soap BODY: prints the answer, whatever it is.
vcsim_soap () {
  curl -sS -k -b "$vcsim_jar" -c "$vcsim_jar" \
    -H 'Content-Type: text/xml; charset=utf-8' \
    -H 'SOAPAction: "urn:vim25/6.5"' -d @- "$vcsim_url" <<EOF
<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
><soapenv:Body>$1</soapenv:Body></soapenv:Envelope>
EOF
}

# vcsim_call METHOD TYPE OBJECT [ARGUMENTS]
vcsim_call () {
  vcsim_soap "<$1 xmlns=\"urn:vim25\"><_this type=\"$2\">$3</_this>${4:-}</$1>"
}

vcsim_escape () {
  sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' <<<"$1"
}

vcsim_login () {
  vcsim_call Login SessionManager "$vcsim_sm" \
    "<userName>$(vcsim_escape "$1")</userName
><password>$(vcsim_escape "$2")</password>"
}

vcsim_logout () {
  vcsim_call Logout SessionManager "$vcsim_sm"
}

# vcsim_props TYPE OBJECT PATH...
vcsim_props () {
  local type=$1 object=$2 paths='' path
  shift 2
  for path; do
    paths+="<pathSet>$path</pathSet>"
  done
  vcsim_call RetrievePropertiesEx PropertyCollector "$vcsim_pc" \
    "<specSet><propSet><type>$type</type>$paths</propSet
><objectSet><obj type=\"$type\">$object</obj></objectSet></specSet><options/>"
}

# vcsim_xpath EXPRESSION: of XML on standard input, without namespaces.
vcsim_xpath () {
  sed -E 's/ xmlns="[^"]*"//g' |
    xmllint --xpath "string($1)" -
}

# vcsim_expect TEXT COMMAND...: the answer, which stays in $tmp/answer, has it.
vcsim_expect () {
  local text=$1
  shift
  "$@" >"$tmp/answer" || fail "no answer: $*"
  vcsim_and_expect "$text"
}

vcsim_and_expect () {
  grep -qF -- "$1" "$tmp/answer" ||
    fail "no '$1' in the answer: $(cat "$tmp/answer")"
}

# vcsim_eventually TEXT COMMAND...: the answer contains it within 30 s.
vcsim_eventually () {
  local text=$1 i
  shift
  for ((i = 0; i < 300; i++)); do
    "$@" >"$tmp/answer" || fail "no answer: $*"
    ! grep -qF -- "$text" "$tmp/answer" || return 0
    sleep 0.1
  done
  fail "no '$text' in the answer to $*: $(cat "$tmp/answer")"
}
