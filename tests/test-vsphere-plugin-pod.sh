#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The man page and --help have the same parameters; sections stand in the
# order of nbdkit's pages; --dump-plugin says what the plugin can do; the
# page's examples run, that for virt-v2v too.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/vsphere-plugin-functions.sh
requires podchecker
requires nbdcopy
requires qemu-img
requires virt-v2v
tmpdir
pod=plugins/vsphere/nbdkit-vsphere-plugin.pod

podchecker -warnings -warnings $pod

# Parameters, without the magic key's brackets.
"$NBDKIT" "$VSPHERE_PLUGIN" --help >"$tmp/help"
sed -n 's/^\[\{0,1\}\([-a-z0-9]*\)=.*/\1/p' "$tmp/help" >"$tmp/in-help"
sed -n '/^=head1 PARAMETERS/,/^=head1 EXPORT/p' $pod |
  sed -n 's/^=item \[\{0,1\}B<\([-a-z0-9]*\)=.*/\1/p' | sort -u \
  >"$tmp/in-pod"
[ "$(wc -l <"$tmp/in-help")" -ge 20 ] || fail "--help shows too little"
sort -c "$tmp/in-help"
diff -u "$tmp/in-help" "$tmp/in-pod" || fail "--help and the page differ"

grep '^=head1' $pod | sed 's/=head1 //' >"$tmp/sections"
diff -u - "$tmp/sections" <<'END' || fail "sections"
NAME
SYNOPSIS
DESCRIPTION
EXAMPLES
PARAMETERS
EXPORT NAMES
THUMBPRINTS
VIRT-V2V
DUMP-PLUGIN OUTPUT
NOTES
DEBUG FLAGS
FILES
VERSION
SEE ALSO
AUTHORS
COPYRIGHT
END

"$NBDKIT" "$VSPHERE_PLUGIN" --dump-plugin >"$tmp/dump"
for line in name=vsphere api_version=2 thread_model=parallel \
            errno_is_preserved=1 magic_config_key=file \
            has_list_exports=1 has_default_export=1 \
            has_export_description=1 has_extents=1 has_block_size=1 \
            has_can_multi_conn=1 has_cleanup=1; do
  grep -qx "$line" "$tmp/dump" || fail "--dump-plugin lacks $line"
done
sed -n '/^=head1 DUMP/,/^=head1 NOTES/p' $pod |
  sed -n 's/^=item C<\(vsphere_[a-z0-9_]*\)=.*/\1/p' >"$tmp/keys"
[ "$(wc -l <"$tmp/keys")" -eq 4 ] || fail "the page lacks keys"
while read -r key; do
  grep -Eqx "$key=[a-z0-9. ]+" "$tmp/dump" || fail "--dump-plugin lacks $key"
done <"$tmp/keys"
[ "$(grep -c '^vsphere_' "$tmp/dump")" -eq 4 ] ||
  fail "--dump-plugin shows what is not in the page"
# Read-only.
if grep -Eq 'has_(pwrite|zero|trim|can_write)' "$tmp/dump"; then
  fail "the plugin can write"
fi

# The examples, as they stand in the page, against the simulator.
sample_disk "$tmp/1.raw" 2097152 1
sample_disk "$tmp/2.raw" 1048576 2
cat >"$tmp/vc.json" <<END
{"esx": [{"host": "DC0_H0"}], "vms": [{"name": "web", "disks": [
  {"file": "$tmp/1.raw"}, {"file": "$tmp/2.raw"}]}]}
END
start_vsphere "$tmp/vc.json"
printf '%s\n' "$esx_password" >"$tmp/esx-password"

# nbdkit ARGS...: with what is only an example replaced.
nbdkit () {
  local args=() arg
  for arg; do
    case $arg in
      vsphere) args+=("$VSPHERE_PLUGIN" port="${vc_host##*:}") ;;
      server=*) args+=("server=${vc_host%:*}") ;;
      user=*) args+=("user=$vc_user") ;;
      password=*) args+=("password=+$tmp/password") ;;
      cainfo=*) args+=("cainfo=$vc_cafile") ;;
      thumbprint=*) args+=("thumbprint=$vc_thumbprint") ;;
      esxi=*) args+=("esxi=$esx_host") ;;
      esxi-user=*) args+=("esxi-user=$esx_user") ;;
      esxi-password=*) args+=("esxi-password=+$tmp/esx-password") ;;
      esxi-thumbprint=*) args+=("esxi-thumbprint=$esx_thumbprint") ;;
      *) args+=("$arg") ;;
    esac
  done
  ran=$((ran + 1))
  "$NBDKIT" "${args[@]}"
}
ran=0
sed -n '/^=head1 EXAMPLES/,/^=head1 PARAMETERS/p' $pod | grep '^ ' \
  >"$tmp/examples"
cd "$tmp"
# shellcheck disable=SC1091 # made above
source ./examples >list
cd "$srcdir"
[ "$ran" -eq 3 ] || fail "$ran examples ran"
grep -q 'export="\[datastore1\] web/web_1.vmdk"' "$tmp/list" ||
  fail "the first example lists nothing"
same_bytes "$tmp/1.raw" "$tmp/web.raw"
qemu-img compare -f raw -F qcow2 "$tmp/1.raw" "$tmp/web.qcow2"

# virt-v2v sees the disk.
for _ in {1..20}; do
  port=$((20000 + RANDOM % 20000))
  (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null || break
done
start_nbdkit -P "$tmp/pid" -i localhost -p "$port" "$VSPHERE_PLUGIN" \
  "${server[@]}" vm=web disk=0
sed -n '/^ <domain/,/^ <\/domain/p' $pod | sed "s/10809/$port/" \
  >"$tmp/web.xml"
virt-v2v -i libvirtxml "$tmp/web.xml" --print-source >"$tmp/source"
[ "$(sed -n '/^disks:/,/^removable/p' "$tmp/source" | grep -c '\[scsi\]')" \
  -eq 1 ] || fail "virt-v2v does not see the disk"
stop_nbdkit "$tmp/pid"
expect_logged_out
