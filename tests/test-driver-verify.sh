#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift verify: passes for what was copied, and names the first differing
# offset after one byte of the volume or of the source is flipped.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 8M 4000000
make_disk "$tmp/b.raw" 2500K 2000000
make_ova --name web --mf none --format raw "$tmp/ova/web.ova" "$tmp/a.raw" \
  "$tmp/b.raw"
make_ova --name db --mf none "$tmp/ova/db.ova" "$tmp/b.raw"
make_plan "$tmp/ova" web db >"$tmp/plan.yaml"
out=$tmp/out

# flip FILE OFFSET
flip () {
  "$PYTHON" - "$1" "$2" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)
    f.seek(int(sys.argv[2]))
    f.write(bytes([b[0] ^ 1]))
PY
}

expect_status 1 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"
expect_output 'was this plan run with this output folder'
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" -q >"$tmp/stdout"

"$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" -q >"$tmp/table"
cat >"$tmp/golden" <<'TXT'
VM   DISK           SOURCE  VOLUME  OFFSET
db   db-disk1.vmdk  same    same    -
web  web-disk1.img  same    same    -
web  web-disk2.img  same    same    -
TXT
diff -u "$tmp/golden" "$tmp/table" || fail "verify prints something else"

# The root that the journal has is the end of the file of digests; other
# users can check too.
for vm in db web; do
  journal=$out/.nbdlift/mig/plan1/vms/$vm/journal.json
  jq -r '.disks[] | .digestFile + " " + .volumeDigest' "$journal" |
    while read -r file root; do
      [ "$(tail -c 32 "$file" | od -An -v -tx1 | tr -d ' \n')" = "$root" ] ||
        fail "$file does not end with $root"
      [ "$(stat -c %a "$file")" = 644 ] || fail "the mode of $file"
    done
done
# A volume of the plan can be verified with its digests alone.
expect_status 0 "$NBDLIFT" verify --digest \
  "$(jq -r '.disks[1].digestFile' "$journal")" "$(volume_of "$out" web 1)"

volume=$(volume_of "$out" web 0)
flip "$volume" 3456789
expect_error 'error: web: disk web-disk1.img: .*first at offset 3456789' \
  "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"
[ "$status" -eq 1 ] || fail "status $status"
status=0
"$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" -q -f json --vm web \
  >"$tmp/json" 2>"$tmp/log" || status=$?
[ "$status" -eq 1 ] || fail "status $status"
jq -e 'length == 2 and (.[0] | .volume == "differs" and
  .source == "same" and .offset == 3456789) and
  (.[1] | .volume == "same" and .offset == null)' "$tmp/json" \
  >"$tmp/verdict" || { cat "$tmp/json"; fail "verify -f json"; }
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" --vm db
# Without the source only the MiB is known.
expect_error 'first in the 1 MiB at offset 3145728' \
  "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" --no-source --vm web
flip "$volume" 3456789

# A byte of the zeroes after the disk's end, and a volume that was cut.
volume=$(volume_of "$out" web 1)
flip "$volume" 2600000
expect_error 'is not zero after' \
  "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" --vm web
flip "$volume" 2600000
truncate -s 1M "$volume"
expect_error 'has been cut to 1048576 bytes' \
  "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" --vm web
rm "$volume"
expect_error 'No such file' \
  "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" --vm web

# The source: its second disk is raw in the tar.
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" -q
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"
at=$("$PYTHON" - "$tmp/ova/web.ova" "$tmp/b.raw" <<'PY'
import sys
print(open(sys.argv[1], "rb").read().find(open(sys.argv[2], "rb").read(4096)))
PY
)
flip "$tmp/ova/web.ova" $((at + 1234567))
expect_error 'the source differs .* first at offset 1234567' \
  "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"
[ "$status" -eq 1 ] || fail "status $status"

# The recorded digests themselves are damaged.
digests=$(jq -r '.disks[0].digestFile' \
             "$out/.nbdlift/mig/plan1/vms/db/journal.json")
flip "$digests" 100
expect_error "$digests" \
  "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out" --vm db
no_servers
