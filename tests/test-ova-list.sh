#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Every disk is listed, in boot order, with its size and description; the
# default export is the only disk, or refused with the names; an empty
# disk reads as zeroes.

source ./tests/functions.sh
requires nbdinfo
requires nbdcopy
tmpdir

truncate -s 4M "$tmp/a.raw"
truncate -s 6M "$tmp/b.raw"
echo first | dd of="$tmp/a.raw" conv=notrunc status=none
echo second | dd of="$tmp/b.raw" bs=1M seek=5 conv=notrunc status=none
tests/tools/make-ova.py --empty 3145728 "$tmp/two.ova" "$tmp/a.raw" \
  "$tmp/b.raw"
tests/tools/make-ova.py "$tmp/one.ova" "$tmp/a.raw"

# shellcheck disable=SC2016
nbdkit_ova -U - "$tmp/two.ova" --run 'nbdinfo --list --json "$uri"' \
  >"$tmp/list.json"
"$PYTHON" - "$tmp/list.json" <<'PY'
import json, sys
exports = json.load(open(sys.argv[1]))["exports"]
got = [(e["export-name"], e["export-size"]) for e in exports]
assert got == [("two-disk1.vmdk", 4 << 20), ("two-disk2.vmdk", 6 << 20),
               ("empty1", 3 << 20)], got
for e, kind in zip(exports, ("streamOptimized VMDK", "streamOptimized VMDK",
                             "empty disk")):
    assert e["description"].endswith(kind), e["description"]
    assert "VM 'two'" in e["description"], e["description"]
    assert e["is_read_only"] and e["can_multi_conn"], e
    assert e["block_size_minimum"] == 1, e
    assert e["block_size_preferred"] == 65536, e
    assert e["block_size_maximum"] == 32 << 20, e
PY

# The default export: the only disk.
# shellcheck disable=SC2016
nbdkit_ova -U - "$tmp/one.ova" --run 'nbdcopy "$uri" '"$tmp/out.raw"
same_bytes "$tmp/a.raw" "$tmp/out.raw"
# shellcheck disable=SC2016
nbdkit_ova -U - "$tmp/two.ova" disk=two-disk2.vmdk \
  --run 'nbdcopy "$uri" '"$tmp/out.raw"
same_bytes "$tmp/b.raw" "$tmp/out.raw"

# ... or none, and the server says what to choose from.
# shellcheck disable=SC2016
expect_error "choose one.*'two-disk1.vmdk', 'two-disk2.vmdk', 'empty1'" \
  nbdkit_ova -U - "$tmp/two.ova" --run 'nbdinfo "$uri"'

# An empty disk.
# shellcheck disable=SC2016
nbdkit_ova -U - "$tmp/two.ova" disk=empty1 --run 'nbdcopy "$uri" '"$tmp/e.raw"
truncate -s 3M "$tmp/zero.raw"
same_bytes "$tmp/zero.raw" "$tmp/e.raw"

# What was read, for people who measure.
# shellcheck disable=SC2016
nbdkit_ova -v -D ova.stats=1 -U - "$tmp/one.ova" \
  --run 'nbdcopy "$uri" null:' >"$tmp/log" 2>&1
grep -Eq 'one-disk1.vmdk: [1-9][0-9]* reads, [1-9][0-9]* bytes' "$tmp/log" ||
  fail "no statistics"
