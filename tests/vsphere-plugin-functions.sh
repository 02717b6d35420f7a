# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# For tests of nbdkit-vsphere-plugin; source this after functions.sh and
# vcsim-functions.sh, then
#
#   start_vsphere CONFIG           start the simulator, as start_vcsim, and
#                                  set the array $server to the parameters
#                                  that log in to it
#   nbdkit_vsphere ARGS...         nbdkit with the plugin and $server
#   copy_disk OUT ARGS...          nbdcopy of the default export, with
#                                  $nbdcopy_args

VSPHERE_PLUGIN=${VSPHERE_PLUGIN:-$BUILD/plugins/nbdkit-vsphere-plugin.so}
export VSPHERE_PLUGIN

# shellcheck disable=SC2154 # set by start_vcsim
start_vsphere () {
  start_vcsim "$@"
  printf '%s\n' "$vc_password" >"$tmp/password"
  server=(server="${vc_host%:*}" port="${vc_host##*:}" user="$vc_user"
          password=+"$tmp/password" thumbprint="$vc_thumbprint")
}

nbdkit_vsphere () {
  "$NBDKIT" "$VSPHERE_PLUGIN" "${server[@]}" "$@"
}

copy_disk () {
  local out=$1
  shift
  rm -f "$out"
  # shellcheck disable=SC2016
  OUT=$out NBDCOPY_ARGS=${nbdcopy_args:-} nbdkit_vsphere -U - "$@" \
    --run 'nbdcopy $NBDCOPY_ARGS "$uri" "$OUT"'
}

# sample_disk FILE SIZE SEED: data, zeroes and holes, to the last byte.
sample_disk () {
  "$PYTHON" - "$@" <<'PY'
import random, sys
name, size, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
r = random.Random(seed)
with open(name, "wb") as f:
    for offset in range(0, size, 3 << 20):
        f.seek(offset + r.randrange(1 << 20))
        f.write(r.randbytes(700000 + r.randrange(1000)))
    f.truncate(size)
    f.seek(size - 512)
    f.write(r.randbytes(512))
PY
}

# change_disk OLD NEW SEED: a later state of the same disk.
change_disk () {
  "$PYTHON" - "$@" <<'PY'
import random, shutil, sys
old, new, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
shutil.copyfile(old, new)
r = random.Random(seed)
with open(new, "r+b") as f:
    size = f.seek(0, 2)
    for _ in range(40):
        f.seek(r.randrange((size - 70000) // 512) * 512)
        f.write(r.randbytes(r.choice((512, 4096, 65536))))
    f.seek(r.randrange(8) * 512)
    f.write(bytes(1 << 20))
    f.seek(size - 512)
    f.write(r.randbytes(512))
PY
}

# read_range EXPORT OFFSET COUNT ARGS...: these bytes of an export, to
# standard output.
read_range () {
  local name=$1 offset=$2 count=$3
  shift 3
  rm -f "$tmp/range"
  # shellcheck disable=SC2016
  OUT=$tmp/range "$NBDKIT" -U - --filter=offset "$VSPHERE_PLUGIN" \
    "${server[@]}" offset="$offset" range="$count" disk="$name" "$@" \
    --run 'nbdcopy "$uri" "$OUT"'
  cat "$tmp/range"
}

# export_uri NAME: the part of an NBD URI that names an export.
export_uri () {
  "$PYTHON" -c 'import sys, urllib.parse
print(urllib.parse.quote(sys.argv[1], safe=""))' "$1"
}

# expect_logged_out: as expect_no_sessions, but nbdkit --run does not wait
# for the server that it ends.
expect_logged_out () {
  local i
  for ((i = 0; i < 100; i++)); do
    [ "$(vcsim_counter sessions)" -ne 0 ] || return 0
    sleep 0.1
  done
  expect_no_sessions
}
