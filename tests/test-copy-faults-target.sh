#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 180
#
# nbdlift copy to a target that is full, fails, shrinks, or is limited: a
# clear error or the right bytes, never a false success; and the next copy
# does the rest.

source ./tests/functions.sh
source ./tests/copy-functions.sh
requires nbdkit
[ "${SAN:-}" != valgrind ] || skip "under valgrind: its times mean nothing"

tmpdir
export TMPDIR=$tmp
cleanup_fn stop_source
build_no_io_uring

make_noise "$tmp/disk.raw" 180M 0 100 120 60
data=$((160 << 20))
journal=$tmp/journal
target=$tmp/target
way=()

copy () {
  "${way[@]}" "$NBDLIFT" copy --journal "$journal" --digest "$tmp/digest" \
    "$@" "$uri" "$target"
}

start_copy () {
  "${way[@]}" "$NBDLIFT" copy --journal "$journal" --digest "$tmp/digest" \
    "$@" "$uri" "$target" >"$tmp/out" 2>&1 &
  copy_pid=$!
}

# A line of its own for what cannot be tested here; the rest is.
not_here () {
  echo "not tested here: $*"
}

clear () {
  start_source -- file "$tmp/disk.raw"
  rm -f "$target" "$target.partial" "$journal" "$tmp/digest"
  : >"$reads"
}

# complete: the next copy reads what was not claimed, and not much more.
# From a new server: nbdkit 1.32 can abort when a client leaves it in the
# middle of a reply.
complete () {
  local before after
  start_source -- file "$tmp/disk.raw"
  before=$(bytes_read)
  expect_status 0 copy
  after=$(($(bytes_read) - before))
  echo "$after bytes were read, $claimed blocks were claimed"
  [ "$after" -le $((data - claimed * 1048576 + (20 << 20))) ] ||
    fail "what was there was read again"
}

start_source -- file "$tmp/disk.raw"

full () {
  echo "== a full file system: ${*:-as it comes}"
  expect_error "error: .*$target.*offset [0-9]+.*No space left" copy "$@"
  expect_output 'make room|free'
  [ "$status" -eq 5 ] || fail "status $status"
  [ ! -e "$target" ] || fail "the target has its name"
  claims "$journal" "$tmp/disk.raw" "$target.partial"
  [ "$claimed" -ge 1 ] || fail "nothing was claimed"
  mount -o remount,size=250m "$tmp/mnt"
  complete
  same_bytes "$tmp/disk.raw" "$target"
  clear
  mount -o remount,size=90m "$tmp/mnt"
}
mkdir "$tmp/mnt"
if [ "$(id -u)" -eq 0 ] &&
   mount -t tmpfs -o size=90m tmpfs "$tmp/mnt" 2>"$tmp/err"; then
  cleanup_fn umount -l "$tmp/mnt"
  target=$tmp/mnt/target
  full
  full --cache=writeback
  target=$tmp/target
else
  not_here "a full file system, which needs root and a tmpfs"
fi

# A real file system, where O_DIRECT works, in a file.
if [ "$(id -u)" -eq 0 ] && command -v mkfs.ext4 >/dev/null &&
   truncate -s 100M "$tmp/fs.img" && mkfs.ext4 -q -m 0 "$tmp/fs.img" &&
   mkdir "$tmp/fs" && mount -o loop "$tmp/fs.img" "$tmp/fs" 2>"$tmp/err"; then
  cleanup_fn umount -l "$tmp/fs"
  for way_name in io_uring no-io-uring; do
    echo "== a full ext4: $way_name"
    way=()
    [ $way_name = io_uring ] || way=("${no_io_uring:-env}")
    target=$tmp/fs/target
    expect_error "error: .*$target.*offset [0-9]+.*No space left" copy
    [ "$status" -eq 5 ] || fail "status $status"
    claims "$journal" "$tmp/disk.raw" "$target.partial"
    [ "$claimed" -ge 1 ] || fail "nothing was claimed"
    # More room: elsewhere.
    mv "$target.partial" "$tmp/target.partial"
    target=$tmp/target
    complete
    same_bytes "$tmp/disk.raw" "$target"
    clear
  done
  way=()
else
  not_here "a full ext4, which needs root and a loop device"
fi

echo "== a file size limit"
limited () {
  (ulimit -f $((80 << 10)); copy "$@")
}
expect_error "error: .*$target" limited
expect_output 'File too large'
[ "$status" -eq 5 ] || fail "status $status"
# It is seen before the first byte.
[ ! -e "$target" ] || fail "the target has its name"
[ ! -e "$target.partial" ] || fail "an empty file is left"
claimed=0
complete
same_bytes "$tmp/disk.raw" "$target"
clear

# Cut off by somebody else in the middle.  What was claimed before is lost;
# it must be noticed, or made good, at the latest by the next copy.
for size in 1M 50M; do
  echo "== a target that shrinks to $size"
  start_copy --rate 60M
  wait_for_bytes $((90 << 20))
  truncate -s $size "$target.partial"
  status=0
  wait "$copy_pid" || status=$?
  cat "$tmp/out"
  if [ $status -eq 0 ]; then
    same_bytes "$tmp/disk.raw" "$target"
    echo "made good"
  else
    [ $status -eq 5 ] || fail "status $status"
    grep -q "error: .*$target" "$tmp/out" || fail "no clear error"
    start_source -- file "$tmp/disk.raw"
    expect_status 0 copy
    same_bytes "$tmp/disk.raw" "$target"
  fi
  clear
done

loop_of () {
  loop=$(losetup --find --show "$1" 2>"$tmp/err")
}
truncate -s 200M "$tmp/dev.img"
if [ "$(id -u)" -eq 0 ] && loop_of "$tmp/dev.img"; then
  cleanup_fn losetup --detach "$loop"
  echo "== a block device that shrinks"
  target=$loop
  start_copy --rate 60M
  wait_for_bytes $((90 << 20))
  truncate -s 50M "$tmp/dev.img"
  losetup --set-capacity "$loop"
  status=0
  wait "$copy_pid" || status=$?
  cat "$tmp/out"
  [ $status -eq 5 ] || fail "status $status"
  grep -q "error: .*$loop" "$tmp/out" || fail "no clear error"
  echo "== ... and is too small for the next copy"
  start_source -- file "$tmp/disk.raw"
  expect_error "$loop" copy
  [ "$status" -eq 5 ] || fail "status $status"
  truncate -s 200M "$tmp/dev.img"
  losetup --set-capacity "$loop"
  start_source -- file "$tmp/disk.raw"
  expect_status 0 copy
  cmp -n $((180 << 20)) "$tmp/disk.raw" "$loop" || fail "the device is wrong"
  rm -f "$journal" "$tmp/digest"
  target=$tmp/target
else
  not_here "block devices, which need root and a loop device"
fi
rm -f "$tmp/dev.img"

# A target whose writes fail: a file in FUSE before a server that fails, as
# an iSCSI volume may.
fuse_target () {
  mkdir -p "$tmp/fuse"
  rm -f "$tmp/fuse.sock"
  nbdkit -f --exit-with-parent -U "$tmp/fuse.sock" --filter=error \
    memory 180M error-pwrite=EIO error-pwrite-rate=100% \
    error-pwrite-file="$tmp/broken" >"$tmp/fuse.log" 2>&1 &
  fuse_server=$!
  for ((i = 0; i < 100; i++)); do
    [ ! -S "$tmp/fuse.sock" ] || break
    sleep 0.05
  done
  nbdfuse "$tmp/fuse/disk" --unix "$tmp/fuse.sock" >>"$tmp/fuse.log" 2>&1 &
  fuse_pid=$!
  for ((i = 0; i < 100; i++)); do
    [ ! -e "$tmp/fuse/disk" ] || return 0
    kill -0 "$fuse_pid" 2>/dev/null || break
    sleep 0.05
  done
  return 1
}
end_fuse () {
  fusermount3 -u -z "$tmp/fuse" 2>/dev/null
  wait "$fuse_pid" 2>/dev/null
  kill -KILL "$fuse_server" 2>/dev/null
  wait "$fuse_server" 2>/dev/null
  true
}
if [ -c /dev/fuse ] && command -v nbdfuse >/dev/null &&
   command -v fusermount3 >/dev/null && fuse_target; then
  cleanup_fn end_fuse
  echo "== writes that fail"
  # There can be no other file in that folder; a delta is written in place.
  target=$tmp/fuse/disk
  start_copy --delta --rate 60M
  wait_for_bytes $((90 << 20))
  touch "$tmp/broken"
  status=0
  wait "$copy_pid" || status=$?
  cat "$tmp/out"
  [ $status -eq 5 ] || fail "status $status"
  grep -Eq "error: .*$target.*Input/output error" "$tmp/out" ||
    fail "no clear error"
  rm "$tmp/broken"
  claims "$journal" "$tmp/disk.raw" "$target"
  start_source -- file "$tmp/disk.raw"
  expect_status 0 copy --delta
  same_bytes "$tmp/disk.raw" "$target"
else
  not_here "writes that fail, which need FUSE"
  [ ! -e "$tmp/fuse.log" ] || cat "$tmp/fuse.log"
fi
