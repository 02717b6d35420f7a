#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The manifests that we write are valid for KubeVirt's CRDs, of an old and
# of a new version: no unknown field, no wrong type, no bad quantity.
# $NBDLIFT_CRDS is a folder with one folder of CRD files per version.

source ./tests/functions.sh

crds=${NBDLIFT_CRDS:-../shared/crds}
[ -d "$crds" ] || skip "no CRDs: let NBDLIFT_CRDS name a folder with them"
requires "$PYTHON" -c 'import yaml; yaml.CSafeLoader'

tmpdir
"$BUILD/tests/unit/test-vm-manifest" --print > "$tmp/objects"
found=
for version in "$crds"/kubevirt-*/; do
  [ -d "$version" ] || continue
  found=1
  echo "$version"
  "$PYTHON" tests/tools/check-crd.py --self-test "$version" \
    < "$tmp/objects" || fail "the manifests are not valid for $version"
done
[ -n "$found" ] || skip "no folder kubevirt-* in $crds"
