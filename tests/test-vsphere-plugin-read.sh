#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The bytes of flat disks, through vCenter and straight from a host, with
# several clients; awkward names, escaped once and twice; what vCenter
# knows of the disk makes holes that are not read.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/vsphere-plugin-functions.sh
requires nbdcopy
requires qemu-img --version
tmpdir

sample_disk "$tmp/a.raw" 20971520 1
sample_disk "$tmp/odd.raw" 5243392 2            # not a multiple of 1 MiB
sample_disk "$tmp/large.raw" 100000256 3
cat >"$tmp/vc.json" <<END
{"datacenters": [{"name": "DC0", "hosts": [{"name": "DC0_H0"}],
   "datastores": [{"name": "datastore1"}, {"name": "data store+1 (x) 50%"}]},
  {"name": "DC & Söhne", "folder": "x y", "hosts": [{"name": "H9"}],
   "datastores": [{"name": "täglich #1"}]}],
 "esx": [{"host": "DC0_H0"}],
 "vms": [
  {"name": "a", "disks": [{"file": "$tmp/a.raw"}, {"file": "$tmp/odd.raw"}]},
  {"name": "plus", "datastore": "data store+1 (x) 50%", "dir": "my vm+1 [2] 7%",
   "disks": [{"file": "$tmp/a.raw", "name": "disk äö #1"}]},
  {"name": "sohn", "datacenter": "DC & Söhne", "host": "H9",
   "datastore": "täglich #1", "disks": [{"file": "$tmp/odd.raw"}]},
  {"name": "cbt", "changeTracking": true, "disks": [
    {"file": "$tmp/large.raw", "areas": [[0, 1048576], [50331648, 65536],
       [99942400, 57856]]}]},
  {"name": "cbt2", "changeTracking": true, "disks": [
    {"file": "$tmp/large.raw"}]}]}
END
start_vsphere "$tmp/vc.json"

copy_disk "$tmp/out" vm=a disk=0
same_bytes "$tmp/a.raw" "$tmp/out"
copy_disk "$tmp/out" vm=a disk=1
same_bytes "$tmp/odd.raw" "$tmp/out"
for args in "connections=1" "block=64K connections=2" "block=4M" \
    "connections=16 timeout=30"; do
  # shellcheck disable=SC2086
  copy_disk "$tmp/out" vm=a disk=0 $args
  same_bytes "$tmp/a.raw" "$tmp/out"
done
# shellcheck disable=SC2016
nbdkit_vsphere -U - vm=a disk=1 --run \
  'qemu-img convert -f raw -O raw "$uri" '"$tmp/out"
same_bytes "$tmp/odd.raw" "$tmp/out"

# Ranges that are no blocks: at the ends, across blocks, a single byte.
for range in "0 1" "5243391 1" "1048575 2" "1000 3000000" "5242880 512"; do
  # shellcheck disable=SC2086
  read_range 1 $range vm=a >"$tmp/part"
  tail -c +$((${range% *} + 1)) "$tmp/odd.raw" | head -c "${range#* }" \
    >"$tmp/want" || true
  same_bytes "$tmp/want" "$tmp/part"
done

# Several clients of one server, disks mixed.
start_nbdkit -P "$tmp/pid" -U "$tmp/sock" "$VSPHERE_PLUGIN" "${server[@]}" \
  vm=a
copies=()
for i in 1 2 3 4; do
  nbdcopy "nbd+unix:///$((i % 2))?socket=$tmp/sock" "$tmp/out$i" &
  copies+=($!)
done
wait "${copies[@]}"
for i in 2 4; do same_bytes "$tmp/a.raw" "$tmp/out$i"; done
for i in 1 3; do same_bytes "$tmp/odd.raw" "$tmp/out$i"; done
stop_nbdkit "$tmp/pid"

# Names.
for double in false true; do
  vcsim_set "{\"double_escape\": $double}"
  copy_disk "$tmp/out" vm=plus
  same_bytes "$tmp/a.raw" "$tmp/out"
  copy_disk "$tmp/out" vm=sohn
  same_bytes "$tmp/odd.raw" "$tmp/out"
done
vcsim_set '{"double_escape": false}'

# Straight from the host: the data come from there, the rest from vCenter.
printf '%s\n' "$esx_password" >"$tmp/esx-password"
vcsim_reset_counters
copy_disk "$tmp/out" vm=plus esxi="$esx_host" esxi-user="$esx_user" \
  esxi-password=+"$tmp/esx-password" esxi-thumbprint="$esx_thumbprint"
same_bytes "$tmp/a.raw" "$tmp/out"
[ "$(vcsim_counter folder_requests vc)" -eq 0 ] ||
  fail "data were read through vCenter"
[ "$(vcsim_counter folder_bytes esx0)" -ge 20971520 ] ||
  fail "data were not read from the host"
copy_disk "$tmp/out" vm=a disk=1 esxi="$esx_host" esxi-user="$esx_user" \
  esxi-password=+"$tmp/esx-password" esxi-cainfo="$esx_cafile"
same_bytes "$tmp/odd.raw" "$tmp/out"
expect_error "thumbprint" nbdkit_vsphere -U - vm=a \
  esxi="$esx_host" esxi-user="$esx_user" \
  esxi-password=+"$tmp/esx-password" esxi-thumbprint="$vc_other_thumbprint" \
  --run true
expect_error "esxi=" nbdkit_vsphere -U - vm=a esxi-user=x --run true

# A host alone.
# shellcheck disable=SC2016
"$NBDKIT" -U - "$VSPHERE_PLUGIN" url="$esx_url" user="$esx_user" \
  password=+"$tmp/esx-password" thumbprint="$esx_thumbprint" vm=a disk=0 \
  --run 'nbdcopy "$uri" '"$tmp/out"
same_bytes "$tmp/a.raw" "$tmp/out"

# map ARGS...: offset, length and type of the extents of a disk.
map () {
  # shellcheck disable=SC2016
  nbdkit_vsphere -U - "$@" --run 'nbdinfo --map "$uri"' |
    awk '{ print $1, $2, $3 }'
}
[ "$(map vm=a disk=0)" = "0 20971520 0" ] || fail "holes without tracking"
cat >"$tmp/want" <<'END'
0 1048576 0
1048576 49283072 3
50331648 65536 0
50397184 49545216 3
99942400 57856 0
END
map vm=cbt | diff -u "$tmp/want" - || fail "other extents"
# What is no data is zero, and is not asked for.
"$PYTHON" - "$tmp/large.raw" "$tmp/want.raw" <<'PY'
import sys
with open(sys.argv[1], "rb") as i, open(sys.argv[2], "wb") as o:
    for start, n in ((0, 1 << 20), (50331648, 65536), (99942400, 57856)):
        i.seek(start)
        o.seek(start)
        o.write(i.read(n))
PY
vcsim_reset_counters
copy_disk "$tmp/out" vm=cbt
same_bytes "$tmp/want.raw" "$tmp/out"
n=$(vcsim_counter folder_bytes)
[ "$n" -lt 1250000 ] || fail "$n bytes were read for 1.1 MiB of data"
# Nor do small reads, one after the other, read ahead what is not data.
vcsim_reset_counters
nbdcopy_args='--request-size=32768' copy_disk "$tmp/out" vm=cbt
same_bytes "$tmp/want.raw" "$tmp/out"
n=$(vcsim_counter folder_bytes)
[ "$n" -lt 1250000 ] || fail "$n bytes were read ahead for 1.1 MiB of data"
# Also by clients that do not ask for extents.
# shellcheck disable=SC2016
nbdkit_vsphere -U - vm=cbt --run \
  'nbdcopy --no-extents "$uri" '"$tmp/out"
same_bytes "$tmp/want.raw" "$tmp/out"
# The true areas.
copy_disk "$tmp/out" vm=cbt2
same_bytes "$tmp/large.raw" "$tmp/out"
# A server that cannot tell: all is data.
vcsim_rule '{"where": "sdk", "method": "QueryChangedDiskAreas",
             "fault": "FileFault"}'
[ "$(map vm=cbt2)" = "0 100000256 0" ] || fail "holes after a fault"
copy_disk "$tmp/out" vm=cbt2
same_bytes "$tmp/large.raw" "$tmp/out"
vcsim_clear_rules

# Counters, for people who measure.
# shellcheck disable=SC2016
nbdkit_vsphere -v -D vsphere.stats=1 -U - vm=a disk=0 \
  --run 'nbdcopy "$uri" null:' >"$tmp/log" 2>&1
grep -Eq 'a/a.vmdk: [1-9][0-9]* reads, 20971520 bytes' "$tmp/log" ||
  fail "no statistics of the disk"
grep -Eq 'server: [1-9][0-9]* requests, [0-9]+ bytes received.* 1 logins' \
  "$tmp/log" || fail "no statistics of the server"

expect_logged_out
