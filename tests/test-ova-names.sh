#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Names of exports, their aliases, vm= and disk=; several VMs in one OVF
# and several packages in one folder; each VM has only its own disks.

source ./tests/functions.sh
requires nbdinfo
tmpdir

for i in 1 2 3 4; do
  truncate -s "${i}M" "$tmp/$i.raw"
done

# names ARGS...: the listed exports, one a line.
names () {
  # shellcheck disable=SC2016
  nbdkit_ova -U - "$@" --run 'nbdinfo --list --json "$uri"' |
    "$PYTHON" -c 'import json, sys
for e in json.load(sys.stdin)["exports"]:
    print(e["export-name"], e["export-size"] >> 20)'
}

# size PACKAGE NAME: of the export that a client gets by NAME, in MiB.
size () {
  local package=$1 name=$2
  shift 2
  # shellcheck disable=SC2016
  NAME=$name nbdkit_ova -U - "$package" "$@" --run \
    'nbdinfo --size "nbd+unix:///$NAME?socket=$unixsocket"' |
    awk '{ print $1 / 1048576 }'
}

expect () {
  diff -u - <(printf '%s\n' "$1") || fail "unexpected names"
}

# Two VMs of two disks each: 1 and 3, 2 and 4.
mkdir "$tmp/f"
tests/tools/make-ova.py --systems 2 --name pair "$tmp/f/pair.ova" \
  "$tmp"/[1-4].raw
got=$(names "$tmp/f/pair.ova")
expect "$got" <<'END'
pair-1/pair-disk1.vmdk 1
pair-1/pair-disk3.vmdk 3
pair-2/pair-disk2.vmdk 2
pair-2/pair-disk4.vmdk 4
END
got=$(names "$tmp/f/pair.ova" vm=pair-2)
expect "$got" <<'END'
pair-disk2.vmdk 2
pair-disk4.vmdk 4
END
got=$(names "$tmp/f/pair.ova" vm=pair-2 disk=1)
expect "$got" <<'END'
pair-disk4.vmdk 4
END
got=$(names "$tmp/f/pair.ova" disk=pair-1/vmdisk3)
expect "$got" <<'END'
pair-1/pair-disk3.vmdk 3
END

# Aliases, by the client.
uuid=$(nbdkit_ova -U - "$tmp/f/pair.ova" --run \
  "nbdinfo --list \"\$uri\"" | sed -n "s/.*diskId 'vmdisk2', id \([^,]*\).*/\1/p")
[ "${#uuid}" -eq 36 ] || fail "no UUID in the description"
for name in pair-2/pair-disk2.vmdk 2 vmdisk2 pair-2/vmdisk2 "$uuid"; do
  [ "$(size "$tmp/f/pair.ova" "$name")" = 2 ] || fail "alias $name"
done
expect_error "there is no disk 'vmdisk9'; there are: 'pair-1/pair-disk1" \
  nbdkit_ova -U - "$tmp/f/pair.ova" disk=vmdisk9 --run true
expect_error "no VM has the name 'web'; there are:" \
  nbdkit_ova -U - "$tmp/f/pair.ova" vm=web --run true

# The folder, with a second package in a sub-folder.
mkdir "$tmp/f/sub"
tests/tools/make-ova.py "$tmp/f/sub/web.ova" "$tmp/3.raw"
got=$(names "$tmp/f")
expect "$got" <<'END'
pair-1/pair-disk1.vmdk 1
pair-1/pair-disk3.vmdk 3
pair-2/pair-disk2.vmdk 2
pair-2/pair-disk4.vmdk 4
web/web-disk1.vmdk 3
END
got=$(names "$tmp/f" vm=web)
expect "$got" <<'END'
web-disk1.vmdk 3
END
got=$(names "$tmp/f" vm=sub/web.ova)
expect "$got" <<'END'
web-disk1.vmdk 3
END
got=$(names "$tmp/f" vm=pair.ova#pair-1)
expect "$got" <<'END'
pair-disk1.vmdk 1
pair-disk3.vmdk 3
END
# vmdisk1 is a disk of both packages.
expect_error "several disks fit the name 'vmdisk1'" \
  nbdkit_ova -U - "$tmp/f" disk=vmdisk1 --run true

# A copy has the same name and the same id: only the path tells.
cp "$tmp/f/sub/web.ova" "$tmp/f/copy.ova"
expect_error "2 VMs fit the name 'web'.*path" \
  nbdkit_ova -U - "$tmp/f" vm=web --run true
expect_output "web +copy.ova"
expect_output "web +sub/web.ova"
got=$(names "$tmp/f" vm=copy.ova)
expect "$got" <<'END'
web-disk1.vmdk 3
END
names "$tmp/f" >"$tmp/names"
grep -qx 'copy.ova/web-disk1.vmdk 3' "$tmp/names"
grep -qx 'sub/web.ova/web-disk1.vmdk 3' "$tmp/names"

# Another VM of the same name: the id tells.
rm "$tmp/f/copy.ova"
tests/tools/make-ova.py --memory 2048 --name web "$tmp/f/other.ova" \
  "$tmp/4.raw"
names "$tmp/f" >"$tmp/names"
grep -Eqx '[0-9a-f-]{36}/web-disk1.vmdk 3' "$tmp/names"
grep -Eqx '[0-9a-f-]{36}/web-disk1.vmdk 4' "$tmp/names"

# One file for two disks: the diskId is the name.
tests/tools/make-ova.py --format raw --name vm "$tmp/same" "$tmp/1.raw" \
  "$tmp/2.raw"
sed -i 's/ovf:fileRef="file2"/ovf:fileRef="file1"/' "$tmp/same/vm.ovf"
got=$(names "$tmp/same")
expect "$got" <<'END'
vmdisk1 1
vmdisk2 1
END
