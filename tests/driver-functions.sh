# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of the driver share, after ./tests/functions.sh.

# make_disk FILE SIZE DATA: a raw disk of SIZE with DATA bytes of noise at
# its beginning, some more in the middle, and holes.
make_disk () {
  rm -f "$1"
  truncate -s "$2" "$1"
  head -c "$3" /dev/urandom | dd of="$1" conv=notrunc status=none
  head -c 10000 /dev/urandom |
    dd of="$1" conv=notrunc status=none bs=1 \
       seek=$(($(stat -c %s "$1") / 2))
}

# make_ova ARGS...: tests/tools/make-ova.py.
make_ova () {
  "$PYTHON" "${srcdir:?}/tests/tools/make-ova.py" "$@"
}

# migration PROVIDER NETWORKS STORAGES: the manifests that go with that of
# the source Provider, up to the VMs of the Plan.  NETWORKS and STORAGES are
# what is in the maps.
migration () {
  cat <<YAML
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: host, namespace: mig}
spec: {type: openshift, url: ""}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: networks, namespace: mig}
spec:
  map: $2
  provider:
    source: {name: $1, namespace: mig}
    destination: {name: host, namespace: mig}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: StorageMap
metadata: {name: storages, namespace: mig}
spec:
  map: $3
  provider:
    source: {name: $1, namespace: mig}
    destination: {name: host, namespace: mig}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Plan
metadata: {name: $plan_name, namespace: mig}
spec:
  provider:
    source: {name: $1, namespace: mig}
    destination: {name: host, namespace: mig}
  map:
    network: {name: networks, namespace: mig}
    storage: {name: storages, namespace: mig}
  targetNamespace: target
$(awk '{ print "  " $0 }' <<<"$plan_spec")
  vms:
YAML
}

# make_plan PATH VM...: the manifests of a plan on standard output, with
# the seed's kinds.  PATH is that of the Provider.  In plan_spec and
# vm_spec are more fields (one per line, YAML flow style) of the Plan's
# spec and of each VM; networks is the content of the NetworkMap's map,
# storages of the StorageMap's.
plan_spec='skipGuestConversion: true'
vm_spec=
plan_name=plan1
networks='[{source: {name: VM Network}, destination: {type: pod}}]'
storages='[{source: {name: Dummy storage for source provider ova},
            destination: {storageClass: fast}}]'
make_plan () {
  local path=$1 vm
  shift
  cat <<YAML
apiVersion: v1
kind: Secret
metadata: {name: ova-secret, namespace: mig}
type: Opaque
stringData: {url: $path}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: ova, namespace: mig}
spec: {type: ova, url: $path, secret: {name: ova-secret, namespace: mig}}
YAML
  migration ova "$networks" "$storages"
  for vm; do
    printf '  - name: "%s"\n' "$vm"
    [ -z "$vm_spec" ] || awk '{ print "    " $0 }' <<<"$vm_spec"
  done
}

# volume_of OUT VM DISK: path of the finished disk.img of a VM's disk.
volume_of () {
  jq -r ".disks[$3].volume" "$1/.nbdlift/mig/$plan_name/vms/$2/journal.json"
}

# same_disk RAW VOLUME: the volume holds RAW, and zeroes up to a whole MiB.
same_disk () {
  local size rest
  size=$(stat -c %s "$1")
  cmp -n "$size" -- "$1" "$2" || fail "$2 does not hold the bytes of $1"
  [ "$(stat -c %s "$2")" -eq $(((size + 1048575) / 1048576 * 1048576)) ] ||
    fail "$2 is $(stat -c %s "$2") bytes, for a disk of $size"
  rest=$(($(stat -c %s "$2") - size))
  [ "$rest" -eq 0 ] || cmp -i "$size:0" -n "$rest" -- "$2" /dev/zero ||
    fail "$2 is not zero after the disk's end"
}

# our_servers: pids of the nbdkits of this test: they have $tmp in their
# command line, or as TMPDIR in their environment.
our_servers () {
  local pid
  for pid in $(pgrep nbdkit); do
    if grep -qs -- "${tmp:?}" "/proc/$pid/cmdline" "/proc/$pid/environ"; then
      echo "$pid"
    fi
  done
}

no_servers () {
  local pids
  pids=$(our_servers)
  [ -z "$pids" ] || fail "these nbdkits are still running: $pids"
}

# wait_no_servers: those whose driver was killed end by themselves soon.
wait_no_servers () {
  local i
  for ((i = 0; i < 100; i++)); do
    [ -n "$(our_servers)" ] || return 0
    sleep 0.1
  done
  # With ASan's runtime preloaded, nbdkit 1.32 can hang at its exit.
  [ "${SAN:-}" = address ] || no_servers
  # shellcheck disable=SC2046
  kill -KILL $(our_servers)
}
