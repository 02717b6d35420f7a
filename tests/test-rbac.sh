#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# examples/rbac: the roles allow what they are to allow, no more and no
# less.  The expected rights are written out here, a line per role.

source ./tests/functions.sh
requires "$PYTHON" -c 'import yaml'

tmpdir
"$PYTHON" - examples/rbac/*.yaml >"$tmp/rights" <<'END'
import sys
import yaml

names = set()
bound = []
for name in sys.argv[1:]:
    with open(name) as f:
        documents = [d for d in yaml.safe_load_all(f) if d is not None]
    for d in documents:
        assert d["apiVersion"] == "rbac.authorization.k8s.io/v1", d
        role = d["metadata"]["name"]
        if d["kind"] == "RoleBinding":
            assert d["metadata"]["namespace"], role
            assert d["subjects"], role
            bound.append(d["roleRef"])
            continue
        assert d["kind"] == "ClusterRole", d["kind"]
        assert "namespace" not in d["metadata"], role
        assert role not in names, role
        names.add(role)
        for rule in d["rules"]:
            assert set(rule) == {"apiGroups", "resources", "verbs"}, rule
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    print(role, group or "-", resource,
                          ",".join(sorted(rule["verbs"])))
for ref in bound:
    assert ref["kind"] == "ClusterRole" and ref["name"] in names, ref
    assert ref["apiGroup"] == "rbac.authorization.k8s.io", ref
END
sort "$tmp/rights" >"$tmp/sorted"

all=create,delete,get,list,patch,update,watch
forklift=forklift.konveyor.io
sort >"$tmp/expected" <<END
plans.$forklift-v1beta1-view $forklift plans get,list,watch
plans.$forklift-v1beta1-edit $forklift plans $all
plans.$forklift-v1beta1-admin $forklift plans ${all/,get/,deletecollection,get}
forklift-non-admin $forklift plans $all
forklift-non-admin $forklift migrations $all
forklift-non-admin $forklift hooks $all
forklift-non-admin $forklift providers get,list,watch
forklift-non-admin $forklift networkmaps $all
forklift-non-admin $forklift storagemaps $all
forklift-non-admin $forklift forkliftcontrollers get,list,watch
forklift-non-admin - secrets create,delete,patch
END
diff "$tmp/expected" "$tmp/sorted" || fail 'other rights than expected'
