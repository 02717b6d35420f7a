#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Fields of a plan that go through to the VirtualMachine: labels, node
# selector, power state (the plan's and a VM's own), and one that has no
# effect for this type of source, which is said.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires nbdkit
requires "$PYTHON" -c 'import yaml'

tmpdir
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 1M 100000
make_ova --name web "$tmp/ova/web.ova" "$tmp/a.raw"
make_ova --name db "$tmp/ova/db.ova" "$tmp/a.raw"

# strategies OUT: run the plan; the run strategies of web and db.
strategies () {
  expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$1" >"$tmp/log"
  "$PYTHON" - "$1"/target/{web,db}.yaml <<'END'
import sys
import yaml
for name in sys.argv[1:]:
    with open(name) as f:
        for d in yaml.safe_load_all(f):
            if d["kind"] == "VirtualMachine":
                print(d["spec"]["runStrategy"])
END
}

plan_spec='skipGuestConversion: true
targetPowerState: "on"
preserveClusterCpuModel: true
targetLabels: {team: shop, example.org/tier: "1", "yes": "no"}
targetNodeSelector: {disk: ssd, kubernetes.io/arch: amd64}'
make_plan "$tmp/ova" web >"$tmp/plan.yaml"
cat >>"$tmp/plan.yaml" <<'YAML'
  - {name: db, targetPowerState: "off"}
YAML
[ "$(strategies "$tmp/out" | tr '\n' ' ')" = 'Always Halted ' ] ||
  fail 'the power states'
expect_status 0 "$NBDLIFT" check "$tmp/plan.yaml"
expect_output 'preserveClusterCpuModel: has an effect for type ovirt only'

"$PYTHON" - "$tmp"/out/target/{web,db}.yaml <<'END'
import sys
import yaml
for name in sys.argv[1:]:
    with open(name) as f:
        vm = [d for d in yaml.safe_load_all(f)
              if d["kind"] == "VirtualMachine"][0]
    labels = vm["metadata"]["labels"]
    for key, value in {"team": "shop", "example.org/tier": "1",
                       "yes": "no", "guestConverted": "false"}.items():
        assert labels.get(key) == value, (name, key, labels)
    selector = vm["spec"]["template"]["spec"]["nodeSelector"]
    assert selector == {"disk": "ssd", "kubernetes.io/arch": "amd64"}, name
END

# auto: an OVA says nothing of power, and what is off stays off.
plan_spec='skipGuestConversion: true
targetPowerState: auto'
make_plan "$tmp/ova" web >"$tmp/plan.yaml"
cat >>"$tmp/plan.yaml" <<'YAML'
  - {name: db, targetPowerState: "on"}
YAML
[ "$(strategies "$tmp/auto" | tr '\n' ' ')" = 'Halted Always ' ] ||
  fail 'the power states with auto'

# YAML 1.1 reads on and off as booleans: the remedy is told.
plan_spec='targetPowerState: on' make_plan "$tmp/ova" web >"$tmp/plan.yaml"
expect_error 'targetPowerState: .*' "$NBDLIFT" check "$tmp/plan.yaml"
[ "$status" -eq 3 ] || fail "status $status"
no_servers
