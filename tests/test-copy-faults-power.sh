#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 180
#
# A power cut in the middle of nbdlift copy.  The target is on an ext4 on a
# loop device: while the copier is stopped (SIGSTOP), the file behind the
# device holds what is on stable storage, and all that is only in the page
# cache of the ext4 is missing.  The journal is elsewhere, and taken as it
# is at that moment, so it claims as much as it ever could.  Mounted anew,
# the copy of the file must have all blocks that the journal claims, and the
# copy must go on from there.

source ./tests/functions.sh
source ./tests/copy-functions.sh
requires nbdkit
requires_root
requires mkfs.ext4
[ "${SAN:-}" != valgrind ] || skip "under valgrind: its times mean nothing"

tmpdir
export TMPDIR=$tmp
cleanup_fn stop_source
random_seed

make_noise "$tmp/disk.raw" 220M 0 90 100 110
truncate -s 400M "$tmp/fs.img"
mkfs.ext4 -q -m 0 "$tmp/fs.img"
mkdir "$tmp/fs" "$tmp/after"
mount -o loop "$tmp/fs.img" "$tmp/fs" || skip "cannot mount an ext4"
cleanup_fn umount -l "$tmp/fs"
start_source -- file "$tmp/disk.raw"

unmount_after () {
  ! mountpoint -q "$tmp/after" || umount "$tmp/after"
}
cleanup_fn unmount_after

# power_cut WAY: one in the middle of a copy.
any=0
power_cut () {
  "$NBDLIFT" copy --cache="$1" --journal "$tmp/journal" --rate 60M "$uri" \
    "$tmp/fs/target" >"$tmp/out" 2>&1 &
  copy_pid=$!
  random_between 1300 3000
  sleep "$(printf '%d.%03d' $((random / 1000)) $((random % 1000)))"
  kill -STOP $copy_pid
  cp "$tmp/journal" "$tmp/journal.after"
  cp --sparse=always "$tmp/fs.img" "$tmp/after.img"
  kill -KILL $copy_pid
  wait $copy_pid 2>/dev/null || true
  rm -f "$tmp/fs/target" "$tmp/fs/target.partial" "$tmp/journal"

  mount -o loop "$tmp/after.img" "$tmp/after"
  if [ -e "$tmp/after/target.partial" ]; then
    claims "$tmp/journal.after" "$tmp/disk.raw" "$tmp/after/target.partial"
  else
    claims "$tmp/journal.after" "$tmp/disk.raw" "$tmp/after/target"
  fi
  echo "$1 after $random ms: $claimed blocks are claimed, and are there"
  [ "$claimed" -eq 0 ] || any=1
  # A new server: nbdkit 1.32 can abort when a client is killed.
  start_source -- file "$tmp/disk.raw"
  expect_status 0 "$NBDLIFT" copy --cache="$1" --journal "$tmp/journal.after" \
    "$uri" "$tmp/after/target"
  same_bytes "$tmp/disk.raw" "$tmp/after/target"
  umount "$tmp/after"
  rm -f "$tmp/after.img" "$tmp/journal.after"
}

for i in 1 2 3; do
  echo "== $i"
  power_cut writeback
  power_cut none
done
[ $any -eq 1 ] || fail "nothing was ever claimed"
