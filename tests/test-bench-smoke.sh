#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The benchmark itself: every part runs, and it notices a result that is
# wrong.  What it measures here says nothing.
# limit: 300

source ./tests/functions.sh
skip_if_sanitizer "it measures time"
requires nbdcopy
requires qemu-img
requires findmnt
requires_file "$BUILD/bench/inflate"
tmpdir

bench/run.py "$BUILD" --smoke --dir "$tmp/data" >"$tmp/table" || {
  cat "$tmp/table"
  fail "a case failed"
}
cat "$tmp/table"
[ ! -e "$tmp/data" ] || fail "the inputs were left behind"

# row TITLE NAME: that row is there, with its figures.
row () {
  grep -Eq "^\| $1 \| (disk)? ?\| [^|]*$2[^|]* \| [0-9.]+ \|" "$tmp/table" ||
    fail "no row '$1', '$2'"
}
row 'OVA \(streamOptimized\) to raw' '\*\*ours\*\*: `nbdlift copy`'
row 'OVA \(streamOptimized\) to raw' '\*\*ours\*\*: `nbdlift run`'
row 'OVA \(streamOptimized\) to raw' 'qemu-img convert`'
row 'OVA \(streamOptimized\) to raw' 'bound: bare inflate'
row 'raw over NBD to raw, sparse' '\*\*ours\*\*: `nbdlift copy`'
row 'raw over NBD to raw, dense' '`nbdcopy`'
row 'delta of a disk .*' '\*\*ours\*\*: `nbdlift copy --delta`'
row 'first byte of a 2 TiB OVA' '\*\*ours\*\*'
row '`--list` of a 2 TiB OVA' '`qemu-img info`'
grep -q '^- raw over NBD to raw, sparse, disk: time .*target at most 0.85' \
  "$tmp/table" || fail "the targets are not judged"
if [ -x "$BUILD/vcsim" ]; then
  row 'vSphere: HTTPS, nothing in the way' '\*\*ours\*\*: `nbdlift run`'
  row 'vSphere: HTTPS, 10 ms .*' '4 `curl` at once'
  row 'vSphere: a sparse disk, .*' '\*\*ours\*\*: `nbdlift copy`'
fi
# The server needs root; without it that is said.
if [ "$(id -u)" -eq 0 ] && command -v ganesha.nfsd nfs-cp >/dev/null; then
  row 'OVA on NFS to raw' '\*\*ours\*\*: `nbdlift copy`'
else
  grep -q "^left out" "$tmp/table"
fi

# A copy that is wrong by one byte, and one that fails.
mkdir "$tmp/bin"
cat >"$tmp/bin/nbdcopy" <<END
#!/bin/sh
case "\$1" in --*) exit 3 ;; esac
$(command -v nbdcopy) "\$@" && printf x | dd of="\$2" bs=1 seek=70001 \
  conv=notrunc status=none
END
chmod 755 "$tmp/bin/nbdcopy"
status=0
PATH=$tmp/bin:$PATH bench/run.py "$BUILD" --smoke --dir "$tmp/data" copy \
  >"$tmp/table" 2>"$tmp/err" || status=$?
cat "$tmp/table" "$tmp/err"
grep Traceback "$tmp/err" && fail "the bench itself failed"
[ "$status" -eq 1 ] || fail "status $status with wrong results"
grep -q "FAILED: 'raw over NBD to raw, sparse': \`nbdcopy\`: .*out.raw: \
wrong from offset 70001 on" "$tmp/table" || fail "the offset is not named"
grep -q 'FAILED: .*nbdcopy --request-size=1M`: status 3' "$tmp/table" ||
  fail "the failure is not named"
row 'raw over NBD to raw, sparse' '\*\*ours\*\*: `nbdlift copy`'
