#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 300
#
# Hooks with the real ansible-playbook: what a playbook is told, when it is
# run, how often, and what its failure, its deadline and a signal do.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
requires env LC_ALL=C.UTF-8 ansible-playbook --version

tmpdir
mkdir "$tmp/ova" "$tmp/facts"
make_disk "$tmp/a.raw" 3M 300000
make_disk "$tmp/b.raw" 2M 200000
make_ova --name Web_1 "$tmp/ova/web.ova" "$tmp/a.raw"
make_ova --name db "$tmp/ova/db.ova" "$tmp/b.raw"

# hook NAME [FIELD]: a Hook whose playbook is standard input.
hook () {
  cat <<YAML
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Hook
metadata: {name: $1, namespace: mig}
spec:
  image: quay.io/kubev2v/hook-runner
  playbook: $(base64 -w0)
  ${2:-}
YAML
}

# The content of both files, through Ansible's own eyes.
tell () {
  cat <<YAML
- hosts: localhost
  gather_facts: false
  tasks:
  - include_vars: {file: plan.yml, name: plan}
  - include_vars: {file: workload.yml, name: workload}
  - copy:
      content: "{{ {'plan': plan, 'workload': workload} | to_json }}"
      dest: "$tmp/facts/$1-{{ workload.vm.name }}.json"
  - command: sh -c 'echo $1 >>$tmp/calls; ls $tmp/out/target >$tmp/facts/ls;
             stat -c "%a %n" . * >$tmp/facts/modes; env >$tmp/facts/env'
YAML
}

both='hooks:
- {hook: {name: before, namespace: mig}, step: PreHook}
- {hook: {name: after}, step: PostHook}'
plan_spec='skipGuestConversion: true
description: two machines'
out=$tmp/out
vms=$out/.nbdlift/mig/plan1/vms

# plan VM...: one with both hooks, which say what standard input holds.
plan () {
  vm_spec=$both make_plan "$tmp/ova" "$@"
}

# run STATUS
run () {
  expect_status "$1" "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" \
    --machine-readable=5 5>"$tmp/json"
}

# nothing_left: only logs are left of the hooks, closed to others.
nothing_left () {
  local f
  ! ls -d "$vms"/*/*Hook.d "$vms"/*/*.cid 2>/dev/null ||
    fail "files of a hook are left"
  for f in "$vms"/*/*Hook.log; do
    [ "$(stat -c %a "$f")" = 600 ] || fail "$f can be read by others"
  done
}

# 1. Both hooks of a VM whose name changes on the way.
{ plan Web_1; tell before | hook before; tell after | hook after; } \
  >"$tmp/plan.yaml"
run 0
[ "$(tr '\n' ' ' <"$tmp/calls")" = 'before after ' ] ||
  fail "calls: $(cat "$tmp/calls")"
grep -q 'web-1.yaml' "$tmp/facts/ls" || fail 'PostHook before the VM is there'
jq -e '.plan.targetnamespace == "target" and
  .plan.description == "two machines" and
  .plan.provider.source.name == "ova" and
  .plan.map.network.name == "networks" and
  .plan.skipguestconversion == true and
  .plan.vms[0].ref.name == "Web_1" and
  .plan.vms[0].hooks[0].step == "PreHook" and
  .plan.vms[0].hooks[0].hook.name == "before" and
  .workload.vm.vm1.vm0.name == "Web_1" and
  .workload.vm.disks[0].capacity == 3145728 and
  (.workload.vm | has ("ipaddress") and has ("guestnetworks")) and
  .workload.vm.nics[0].mac == .workload.vm.nics[0].mac and
  .workload.providertype == "ova"' "$tmp/facts/before-Web_1.json" \
  >"$tmp/verdict" || { cat "$tmp/facts/before-Web_1.json"; fail "facts"; }
cmp "$tmp/facts/before-Web_1.json" "$tmp/facts/after-Web_1.json"
# The folder is closed to others, and so are the files.
[ "$(awk '/plan.yml|playbook.yml|workload.yml|\.$/ { print $1 }' \
  "$tmp/facts/modes" | sort -u | tr '\n' ' ')" = '600 700 ' ] ||
  { cat "$tmp/facts/modes"; fail 'modes'; }
nothing_left
grep -q 'PLAY RECAP' "$vms/web-1/PreHook.log"
"$NBDLIFT" status "$tmp/plan.yaml" --output "$out" -f json >"$tmp/status"
jq -e '.status.migration.vms[0].pipeline | map (.name) == ["Initialize",
  "PreHook", "DiskTransfer", "VirtualMachineCreation", "PostHook"] and
  all (.[]; .phase == "Completed" and .progress.completed == .progress.total)
  and .[1].description == "Run pre-migration hook."' "$tmp/status" \
  >"$tmp/verdict" || { cat "$tmp/status"; fail 'status'; }

# 2. Again: neither is run again.
run 0
[ "$(wc -l <"$tmp/calls")" -eq 2 ] || fail 'a hook was run again'
expect_output 'is not run again'

# 3. A PreHook that fails: nothing of its VM is touched, the other VM is
# migrated, and the next run begins with the hook.
rm -rf "$out" "$tmp/calls" "$tmp/facts"/*
failing='- hosts: localhost
  gather_facts: false
  tasks: [{fail: {msg: "the database is still busy"}}]'
{ vm_spec=$both make_plan "$tmp/ova" Web_1
  printf '  - name: db\n'
  hook before <<<"$failing"
  tell after | hook after; } >"$tmp/plan.yaml"
run 7
expect_output 'error: Web_1: PreHook: hook mig/before failed with exit code 2'
expect_output 'the database is still busy.*log: .*PreHook.log'
[ -e "$out/target/db.yaml" ] || fail 'the other VM was not migrated'
[ ! -e "$out/target/web-1.yaml" ] || fail 'migrated without its PreHook'
[ "$(find "$out/target" -name disk.img | wc -l)" -eq 1 ] ||
  fail 'a volume is left of the VM that was not begun'
jq -e '.disks | all (.[]; . == {})' "$vms/web-1/journal.json" \
  >"$tmp/verdict" 2>"$tmp/error" || [ ! -e "$vms/web-1/journal.json" ]
nothing_left
{ vm_spec=$both make_plan "$tmp/ova" Web_1
  printf '  - name: db\n'
  tell before | hook before
  tell after | hook after; } >"$tmp/plan.yaml"
run 0
[ "$(tr '\n' ' ' <"$tmp/calls")" = 'before after ' ] || fail 'the second run'
same_disk "$tmp/a.raw" "$(volume_of "$out" web-1 0)"

# 4. A PostHook that fails, even if what failed VMs have left is to be
# removed: the VM is there and stays; the next run is the PostHook alone.
rm -rf "$out" "$tmp/calls" "$tmp/facts"/*
{ plan_spec="$plan_spec
deleteVmOnFailMigration: true" plan Web_1
  tell before | hook before
  hook after <<<"$failing"; } >"$tmp/plan.yaml"
run 1
expect_output 'error: Web_1: PostHook: hook mig/after failed'
same_disk "$tmp/a.raw" "$(volume_of "$out" web-1 0)"
[ -e "$out/target/web-1.yaml" ] || fail 'the VM is gone'
"$NBDLIFT" status "$tmp/plan.yaml" --output "$out" -f json |
  jq -e '.status.migration.vms[0] | .conditions[0].type == "Failed" and
    (.pipeline[] | select (.name == "PostHook") | .error.reasons[0]
     | contains ("still busy"))' >"$tmp/verdict"
{ plan Web_1; tell before | hook before; tell after | hook after; } \
  >"$tmp/plan.yaml"
run 0
[ "$(tr '\n' ' ' <"$tmp/calls")" = 'before after ' ] || fail 'PostHook alone'
tail -n 1 "$tmp/json" | jq -e '.vms[0].bytesRead == 0' >"$tmp/verdict"

# What a source calls a VM is text, whatever Ansible could take it for.
export OWNED=$tmp/owned
# shellcheck disable=SC2016 # for another shell
evil='x{{ lookup("pipe", "touch $OWNED") }}'
make_ova --name "$evil" "$tmp/ova/evil.ova" "$tmp/b.raw"
rm -rf "$out"
{ vm_spec='hooks: [{hook: {name: before, namespace: mig}, step: PreHook}]' \
    make_plan "$tmp/ova" "${evil//\"/\\\"}"
  hook before <<YAML
- hosts: localhost
  gather_facts: false
  vars_files: [workload.yml]
  tasks:
  - include_vars: {file: workload.yml, name: workload}
  - command: echo "{{ workload.vm.name }}" "{{ vm.vm1.vm0.name }}"
  - set_fact: {name: "{{ workload.vm.name }}"}
  - copy: {content: "{{ name }}", dest: "$tmp/name"}
YAML
} >"$tmp/plan.yaml"
run 0
[ ! -e "$tmp/owned" ] || fail 'the name of a VM was executed'
printf %s "$evil" | cmp - "$tmp/name" || fail 'the name'
rm -rf "$tmp/ova/evil.ova" "$tmp/facts"/*

# left_running: is the program of the hook below still there?
left_running () {
  pgrep -f "[s]leep 98765.$$" >"$tmp/pids"
}
slow="- hosts: localhost
  gather_facts: false
  tasks: [{command: sh -c 'echo started; echo up >$tmp/up;
           sleep 98765.$$; true'}]"

# 5. The deadline ends all that the hook has started.
rm -rf "$out" "$tmp/calls"
{ plan Web_1; hook before 'deadline: 10' <<<"$slow"
  tell after | hook after; } >"$tmp/plan.yaml"
SECONDS=0
run 1
[ -e "$tmp/up" ] || fail 'ended before it had begun'
[ "$SECONDS" -lt 40 ] || fail "a deadline of 10 s took $SECONDS s"
expect_output 'hook mig/before was ended after its deadline of 10 s'
! left_running || fail 'the hook is still running'
nothing_left

# 6. So does a signal, and that is no failure.
rm -rf "$out" "$tmp/up"
{ plan Web_1; hook before <<<"$slow"; tell after | hook after; } \
  >"$tmp/plan.yaml"
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" 2>"$tmp/log" &
pid=$!
for ((i = 0; i < 300; i++)); do
  [ ! -e "$tmp/up" ] || break
  sleep 0.1
done
kill -INT $pid
status=0
wait $pid || status=$?
[ "$status" -eq 8 ] || { cat "$tmp/log"; fail "status $status"; }
! left_running || fail 'the hook is still running after SIGINT'
! grep -q error "$tmp/log" || { cat "$tmp/log"; fail 'an error'; }
[ -z "$(find "$out" -name disk.img)" ] || fail 'a volume is left'
nothing_left

# 7. A playbook that is none.
rm -rf "$out"
{ plan Web_1; hook before <<<'- hosts: [localhost'
  tell after | hook after; } >"$tmp/plan.yaml"
run 1
expect_output 'hook mig/before failed with exit code [0-9]+: .*did not find'
no_servers
