#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The disks of a VM on vSphere: names, order, sizes, aliases, the default
# export; a VM by moRef, path, UUID and name; what is refused before
# anything is served.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/vsphere-plugin-functions.sh
requires nbdinfo
tmpdir

for i in 1 2 3 4; do
  sample_disk "$tmp/$i.raw" $((i << 20)) "$i"
done
cat >"$tmp/vc.json" <<END
{"datacenters": [{"name": "DC0", "folder": "Europe/West",
                  "hosts": [{"name": "DC0_H0"}],
                  "datastores": [{"name": "datastore1"}]}],
 "vms": [
  {"name": "web", "folder": "prod", "disks": [
    {"file": "$tmp/1.raw", "bus": "pvscsi", "name": "web"},
    {"file": "$tmp/2.raw", "bus": "sata", "name": "web_1"},
    {"file": "$tmp/3.raw", "bus": "ide", "name": "web_2"},
    {"file": "$tmp/4.raw", "bus": "nvme", "name": "web_3"}]},
  {"name": "one", "disks": [{"file": "$tmp/2.raw"}]},
  {"name": "twin", "folder": "a", "disks": [{"file": "$tmp/1.raw"}]},
  {"name": "twin", "folder": "b", "dir": "twin2", "disks": [{"file": "$tmp/3.raw"}]},
  {"name": "empty", "disks": []}]}
END
start_vsphere "$tmp/vc.json"

# shellcheck disable=SC2016
nbdkit_vsphere -U - vm=web --run 'nbdinfo --list --json "$uri"' \
  >"$tmp/list.json"
"$PYTHON" - "$tmp/list.json" <<'PY'
import json, sys
exports = json.load(open(sys.argv[1]))["exports"]
got = [(e["export-name"], e["export-size"] >> 20) for e in exports]
assert got == [("[datastore1] web/web_1.vmdk", 2),
               ("[datastore1] web/web_2.vmdk", 3),
               ("[datastore1] web/web.vmdk", 1),
               ("[datastore1] web/web_3.vmdk", 4)], got
for i, (e, bus) in enumerate(zip(exports, ("sata", "ide", "scsi", "nvme"))):
    d = e["description"]
    assert d.startswith(f"disk {i} of VM 'web', {bus}, key="), d
    assert ", VMFS, " in d and "uuid " in d, d
    assert e["is_read_only"] and e["can_multi_conn"], e
    assert e["block_size_minimum"] == 1, e
    assert e["block_size_preferred"] == 1 << 20, e
    assert e["block_size_maximum"] == 32 << 20, e
PY

# size NAME ARGS...: of the export that a client gets by NAME, in MiB.
size () {
  local name bytes
  name=$(export_uri "$1")
  shift
  # shellcheck disable=SC2016
  bytes=$(NAME=$name nbdkit_vsphere -U - "$@" --run \
    'nbdinfo --size "nbd+unix:///$NAME?socket=$unixsocket"') || return
  echo $((bytes >> 20))
}
same_size () {
  local want=$1 got
  shift
  got=$(size "$@") || fail "no size: $*"
  [ "$got" = "$want" ] || fail "$got MiB instead of $want: $*"
}

# Aliases.
key=$(vcsim_vm web '.disks[] | select(.file | test("web.vmdk")) | .key')
uuid=$(vcsim_vm web '.disks[] | select(.file | test("web.vmdk")) | .uuid')
[ -n "$key" ] || fail "the simulator tells no key"
[ -n "$uuid" ] || fail "the simulator tells no UUID"
for name in '[datastore1] web/web.vmdk' 2 "key=$key" "$key" "$uuid"; do
  same_size 1 "$name" vm=web
  same_size 1 '' vm=web disk="$name"
done
same_size 4 '' vm=web file='[datastore1] web/web_3.vmdk'
same_size 2 '' vm=one
# file= is the magic key.
same_size 3 '' '[datastore1] web/web_2.vmdk' vm=web

# shellcheck disable=SC2016
expect_error "several disks: choose one.*'.datastore1. web/web_1.vmdk', " \
  nbdkit_vsphere -U - vm=web --run 'nbdinfo "$uri"'
expect_error "has no disk 'web_9'; it has: 0: .datastore1. web/web_1.vmdk" \
  nbdkit_vsphere -U - vm=web disk=web_9 --run true
expect_error "no disk|not served here" \
  size '[datastore1] web/web.vmdk' vm=web disk=0

# The VM.
for vm in "moref=$(vcsim_vm one .moref)" "$(vcsim_vm one .uuid)" \
    "$(vcsim_vm one .instanceUuid)" one \
    "/Europe/West/DC0/vm/one" "Europe/West/DC0/vm/one"; do
  same_size 2 '' vm="$vm"
done
same_size 3 '' vm=/Europe/West/DC0/vm/b/twin
expect_error "/Europe/West/DC0/vm/a/twin" nbdkit_vsphere -U - vm=twin \
  --run true
expect_output "/Europe/West/DC0/vm/b/twin"
expect_error "nowhere" nbdkit_vsphere -U - vm=nowhere --run true
expect_error "vm-99999" nbdkit_vsphere -U - vm=moref=vm-99999 --run true
expect_error "no disks" nbdkit_vsphere -U - vm=empty --run true

expect_logged_out
