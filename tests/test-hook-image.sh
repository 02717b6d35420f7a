#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Hooks whose image is run, with a stand-in for podman: how it is called,
# what it finds, what is ended; what is refused when a program is missing;
# and the examples of hooks.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
mkdir "$tmp/ova" "$tmp/bin"
make_disk "$tmp/a.raw" 2M 300000
make_ova --name web "$tmp/ova/web.ova" "$tmp/a.raw"
out=$tmp/out

image=registry.example.org/team/freeze:1.2
{
  vm_spec='hooks: [{hook: {name: freeze, namespace: mig}, step: PreHook}]' \
    make_plan "$tmp/ova" web
  cat <<YAML
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Hook
metadata: {name: freeze, namespace: mig}
spec: {image: $image, serviceAccount: robot, deadline: 3}
YAML
} >"$tmp/plan.yaml"

# Only what nbdlift needs is on this PATH.
mkdir "$tmp/few"
for program in bash cat env nbdkit qemu-img; do
  ln -s "$(command -v $program)" "$tmp/few/"
done
for command in check run; do
  args=()
  [ $command = check ] || args=(--output "$out")
  expect_error 'error: .*Hook freeze is run by podman, which is not installed' \
    env PATH="$tmp/few" "$NBDLIFT" $command "$tmp/plan.yaml" "${args[@]}"
  [ "$status" -eq 3 ] || fail "$command: status $status"
done
[ ! -e "$out" ] || fail 'something was made'
playbook=$(base64 -w0 <<<'- hosts: localhost')
sed "s,image: $image,playbook: $playbook," "$tmp/plan.yaml" >"$tmp/ansible.yaml"
expect_error 'freeze is run by ansible-playbook.*install .* ansible-core' \
  env PATH="$tmp/few" "$NBDLIFT" check "$tmp/ansible.yaml"

# The stand-in: "run" looks at what is mounted, and does what $PODMAN says.
cat >"$tmp/bin/podman" <<'SH'
#!/bin/bash
echo "$@" >>"$PODMAN_CALLS"
[ "$1" = run ] || exit 0
while [ $# -gt 1 ]; do
  case $1 in
    --cidfile) echo 0123456789abcdef >"$2" ;;
    --mount) dir=${2#type=bind,source=} dir=${dir%%,*} ;;
  esac
  shift
done
stat -c '%a %F' "$dir" "$dir/plan.yml" "$dir/workload.yml" >&2
grep -q '^targetnamespace: target$' "$dir/plan.yml" || exit 9
[ ! -e "$dir/playbook.yml" ] || exit 10
echo "image $1"
case $PODMAN in
  fail) printf 'cannot freeze \033[1mdata\033[0m\n' >&2; exit 3 ;;
  hang) sleep 98766 ;;
esac
SH
chmod +x "$tmp/bin/podman"
export PATH=$tmp/bin:$PATH PODMAN_CALLS=$tmp/calls PODMAN=ok

expect_status 0 "$NBDLIFT" check "$tmp/plan.yaml"
expect_output 'serviceAccount has an effect in a cluster only'
[ ! -e "$tmp/calls" ] || fail 'check has run the hook'

log=$out/.nbdlift/mig/plan1/vms/web/PreHook.log
PODMAN=fail expect_status 1 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
expect_output 'hook mig/freeze failed with exit code 3: .*cannot freeze .x1b'
[ -z "$(find "$out" -name disk.img)" ] || fail 'a volume is left'
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
same_disk "$tmp/a.raw" "$(volume_of "$out" web 0)"
grep -qx "image $image" "$log" || { cat "$log"; fail 'the image'; }
[ "$(grep -c '^755 directory$\|^644 regular file$' "$log")" -eq 3 ] ||
  { cat "$log"; fail 'the files cannot be read in a container'; }
[ "$(stat -c %a "${log%/*}")" = 700 ] || fail 'but by everybody outside'
grep -Eq '^run --rm --cidfile .*target=/tmp/hook,ro=true.* -- '"$image" \
  "$tmp/calls" || fail 'the call'
[ ! -e "${log%.log}.cid" ] || fail 'left behind'
[ ! -e "${log%.log}.d" ] || fail 'left behind'

# The deadline ends the container, not only the program that started it.
rm -rf "$out" "$tmp/calls"
PODMAN=hang expect_status 1 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
expect_output 'was ended after its deadline of 3 s: .*image registry'
grep -q '^rm --force .*--cidfile .*PreHook.cid$' "$tmp/calls" ||
  { cat "$tmp/calls"; fail 'the container was not removed'; }
! pgrep -f '[s]leep 98766' || fail 'the hook is still running'

# A Hook that is not there, twice the same step, another word for it.
vm_spec='hooks: [{hook: {name: none, namespace: mig}, step: PreHook}]' \
  make_plan "$tmp/ova" web >"$tmp/other.yaml"
expect_error 'HookNotValid|no Hook mig/none in the files' \
  "$NBDLIFT" run "$tmp/other.yaml" --output "$out"
[ "$status" -eq 3 ] || fail "status $status"
sed "s,hooks: \[,&{hook: {name: freeze}\, step: PreHook}\, ," \
  "$tmp/plan.yaml" >"$tmp/other.yaml"
expect_error 'more than one PreHook' "$NBDLIFT" check "$tmp/other.yaml"
sed 's,step: PreHook,step: MidHook,' "$tmp/plan.yaml" >"$tmp/other.yaml"
expect_error 'neither PreHook nor' "$NBDLIFT" check "$tmp/other.yaml"

# The examples: the manifests hold the playbooks, which are in order.
expect_status 0 "$NBDLIFT" check --schema-only examples/hooks/hooks.yaml
grep '^  playbook: ' examples/hooks/hooks.yaml | while read -r _ text; do
  base64 -d <<<"$text"
done | cmp - <(cat examples/hooks/quiesce.yml examples/hooks/record.yml) ||
  fail 'hooks.yaml does not hold the playbooks'
if LC_ALL=C.UTF-8 ansible-playbook --version >"$tmp/version" 2>&1; then
  for f in examples/hooks/quiesce.yml examples/hooks/record.yml; do
    LC_ALL=C.UTF-8 ansible-playbook --syntax-check "$f" >"$tmp/syntax" 2>&1 ||
      { cat "$tmp/syntax"; fail "$f"; }
  done
fi
no_servers
