# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests of the driver with the vSphere source: source this after
# functions.sh, vcsim-functions.sh and driver-functions.sh.

# vsphere_plan VM...: manifests on standard output, of the kinds that the
# seed prints.  Each VM is an entry of spec.vms ("id: vm-1", "name: x").
# vsphere_settings are more lines of the Provider's settings, vsphere_secret
# replaces how the server is trusted, vsphere_hosts are more documents;
# plan_spec and plan_name as in make_plan.
vsphere_settings='{sdkEndpoint: vcenter}'
vsphere_secret=
vsphere_hosts=
vsphere_networks='[{source: {name: VM Network}, destination: {type: pod}}]'
# shellcheck disable=SC2154 # vc_* are those of start_vcsim
vsphere_plan () {
  local vm
  cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: vcenter
  namespace: mig
  labels: {createdForProviderType: vsphere, createdForResourceType: providers}
type: Opaque
stringData:
  user: "$vc_user"
  password: "$vc_password"
  ${vsphere_secret:-thumbprint: "$vc_thumbprint"}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: vcenter, namespace: mig}
spec:
  type: vsphere
  url: $vc_url
  settings: $vsphere_settings
  secret: {name: vcenter, namespace: mig}
---
$vsphere_hosts
YAML
  migration vcenter "$vsphere_networks" \
    '[{source: {name: datastore1}, destination: {storageClass: fast}}]'
  for vm; do
    printf '  - {%s}\n' "$vm"
  done
}

# power_of VM: "on" or "off", as the simulator has it.
power_of () {
  vcsim_vm "$1" '.power | ltrimstr ("powered") | ascii_downcase'
}

# wait_for SECONDS CMD...: until CMD succeeds.
wait_for () {
  local i n=$(($1 * 10))
  shift
  for ((i = 0; i < n; i++)); do
    ! "$@" || return 0
    sleep 0.1
  done
  fail "after $((n / 10)) s it is still not so: $*"
}
