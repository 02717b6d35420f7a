#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift copy: every option, sizes of all kinds, what TARGET may be, and
# that nothing partial ever has its name.

source ./tests/functions.sh
requires nbdkit
requires jq
tmpdir
pod=$srcdir/driver/nbdlift-copy.pod
cd "$tmp"

sock=$tmp/sock
uri="nbd+unix:///?socket=$sock"
copy=("$NBDLIFT" copy --no-progress)

# serve ARGS...: nbdkit behind $uri, instead of the one before.
serve () {
  [ ! -e server.pid ] || stop_nbdkit "$tmp/server.pid"
  start_nbdkit -P "$tmp/server.pid" -U "$sock" "$@"
}

# refused STATUS PATTERN ARG...: of nbdlift copy.  Standard output stays
# empty and no partial file is left.
refused () {
  local want=$1 pattern=$2 status=0
  shift 2
  "${copy[@]}" "$@" >out 2>err </dev/null || status=$?
  cat out err
  [ "$status" -eq "$want" ] || fail "status $status, not $want, from: $*"
  grep -Eq -- "$pattern" err || fail "no '$pattern' from: $*"
  [ ! -s out ] || fail "standard output from: $*"
}

# result KEY: of the last JSON object in out.
result () {
  jq -r ".$1" out
}

head -c 3000000 /dev/urandom >disk.raw
truncate -s 8M disk.raw
head -c 70000 /dev/urandom |
  dd of=disk.raw conv=notrunc status=none bs=1 seek=5000001
serve file disk.raw

# --- The command line.

expect_status 0 "$NBDLIFT" copy --help
expect_output '^Usage: nbdlift copy NBD-URI TARGET'
for args in '' "$uri" "$uri a b" --nonsense "--nonsense $uri a"; do
  # shellcheck disable=SC2086
  refused 2 'nbdlift copy --help' $args
done
refused 2 "'disk.raw' is no NBD URI" disk.raw target
while IFS='|' read -r option pattern; do
  refused 2 "$pattern" "$uri" target "${option/TMP/${tmp##*/}}"
done <<'END'
--cache=direct|--cache=direct: it is auto, none or writeback
--connections=0|--connections=0: give a number from 1 to 16
--connections=17|from 1 to 16
--connections=x|from 1 to 16
--requests=0|--requests=0: give a number from 1 to 1024
--requests=1025|from 1 to 1024
--request-size=65535|--request-size=65535: give a number of bytes from 64K to 32M
--request-size=33M|from 64K to 32M
--request-size=1X|from 64K to 32M
--rate=0|--rate=0: give a number of bytes, at least 1
--rate=-1|--rate=-1: give
--rate=1.5M|--rate=1.5M: give
--rate=|--rate=: give
--rate=18446744073709551616|give a number of bytes
--rate=16777216T|give a number of bytes
--memory=99999999999G|--memory=99999999999G: give
--memory=0|--memory=0: give
--stall=0|--stall=0: give a number from 1 to 86400
--stall=86401|from 1 to 86400
--digest-type=md5|--digest-type=md5: it is poly1305 or sha256
--digest-type=sha256|--digest-type is of use with --digest or --journal
--identity=x|give --journal too
--delta=bitmap|a context is called NAMESPACE:NAME
--format=xml|--format=xml: it is table, json or yaml
--format=libvirtxml|it is table, json or yaml
--machine-readable=x|give the number of an open file descriptor
--machine-readable=99|give the number of an open file descriptor
--journal=target|--journal=target is the target itself
--journal=target.partial|is the target itself
--digest=target|--digest=target is the target itself
--digest=./target|is the target itself
--digest=../TMP/target.partial|is the target itself
END
refused 2 'exclude each other' "$uri" target --delta --target-is-zero
refused 2 'are one file' "$uri" target --journal=x --digest=x
ln disk.raw link.raw
refused 2 'is the target itself' "$uri" disk.raw --journal=link.raw
ln -s elsewhere.raw soft.raw
touch elsewhere.raw
refused 2 'is the target itself' "$uri" soft.raw --journal=elsewhere.raw.partial
rm soft.raw elsewhere.raw
rm link.raw
long=$(printf '%04097d' 0)
refused 2 'has more than 4096 bytes' "$uri" target --journal=j \
  --identity="$long"
[ ! -e target ] || fail 'a wrong command line made a target'

# --- The source.

refused 4 'disk target: source: .*cannot connect' \
  'nbd+unix:///?socket=nothing' target
refused 4 'cannot connect' 'ftp://localhost/x' target
refused 4 '' 'nbd://joe:hunter2@localhost:1/' target
! grep -q hunter2 err || fail 'the password is shown'
[[ ! -e target && ! -e target.partial ]] || fail 'a file was left'

# One that takes a connection and never says a word.
"$PYTHON" - <<'END' &
import signal, socket
s = socket.socket(socket.AF_UNIX)
s.bind("mute")
s.listen()
signal.sigwait([signal.SIGTERM])
END
mute=$!
cleanup_fn kill "$mute"
for ((i = 0; i < 100; i++)); do
  [ ! -S mute ] || break
  sleep 0.1
done
SECONDS=0
refused 4 'did not answer within 1 seconds' 'nbd+unix:///?socket=mute' \
  target --stall=1
[ "$SECONDS" -lt 15 ] || fail "it took $SECONDS s to give up"
for signal in INT TERM; do
  "${copy[@]}" 'nbd+unix:///?socket=mute' target 2>err >out &
  pid=$!
  for ((i = 0; i < 300; i++)); do
    [ ! -e target.partial ] || break
    sleep 0.1
  done
  kill -$signal $pid
  status=0
  wait $pid || status=$?
  [ $status -eq 8 ] || fail "status $status after SIG$signal"
done
[[ ! -e target && ! -e target.partial ]] || fail 'a file was left'

# --- What TARGET may be.

mkdir folder
mkfifo fifo
ln -s nowhere dangling
refused 5 'target folder is a folder' "$uri" folder
refused 5 'target folder/ is a folder' "$uri" folder/
refused 5 'target fifo is a pipe' "$uri" fifo
refused 5 'is a character device' "$uri" /dev/null
refused 5 'is a socket' "$uri" "$sock"
refused 5 'target dangling: No such file' "$uri" dangling
refused 5 'missing/target.partial: No such file' "$uri" missing/target
refused 5 'target missing/: No such file' "$uri" missing/
refused 5 'target disk.raw/x: Not a directory' "$uri" disk.raw/x
refused 5 'target : No such file' "$uri" ''

# The partial file of somebody else stays.
echo mine >target.partial
refused 5 'target.partial is there already.*remove it' "$uri" target
[ "$(cat target.partial)" = mine ] || fail 'the partial file was changed'
rm target.partial
mkfifo target.partial
touch j
refused 5 'target.partial is not a file' "$uri" target --journal=j
[ -p target.partial ] || fail 'the pipe is gone'
rm target.partial
ln -s disk.raw target.partial
refused 5 'target.partial: ' "$uri" target --journal=j
rm target.partial j

# Nothing is changed or left when the source fails in the middle.
printf old >target
chmod 640 target
serve --filter=error file disk.raw error-pread=EIO error-pread-rate=100%
refused 4 'disk target: source: cannot read at offset' "$uri" target
[ "$(cat target)" = old ] || fail 'a copy that failed changed the target'
[ ! -e target.partial ] || fail 'the partial file was left'
serve file disk.raw

# --- A copy replaces the target as a whole, and keeps its permissions.

ln -s target link
"${copy[@]}" "$uri" link >out
same_bytes disk.raw target
[ -L link ] || fail 'the symbolic link was replaced'
[ "$(stat -c %a target)" = 640 ] || fail 'the permissions are others'
[ ! -e target.partial ] || fail 'the partial file is left'
[ "$(allocated target)" -lt 4000000 ] || fail 'the target is not sparse'
[ "$(sed -n 1p out | tr -s ' ')" = \
  'TARGET SIZE READ WRITTEN KEPT MS CACHE DIGEST' ] || fail 'no titles'
sed -n 2p out | grep -Eq '^link +8 MiB +' || fail 'no row'
rm target link

# --- Formats.

"${copy[@]}" "$uri" target -f json >out
[ "$(jq -r 'keys_unsorted | join(" ")' out)" = \
  'target size read written kept milliseconds cache' ] || fail 'JSON keys'
[ "$(result size)" -eq 8388608 ] || fail 'size'
[[ $(result read) -lt 4000000 && $(result read) -ge 3070000 ]] ||
  fail "read $(result read)"
[ "$(result written)" -lt 4000000 ] || fail "written $(result written)"
[ "$(result kept)" -eq 0 ] || fail 'kept'
"${copy[@]}" "$uri" target --format=yaml >out
grep -qx 'size: 8388608' out || fail 'no YAML'

# --- Options that must not matter to the bytes.

for options in --connections=1 --connections=16 --requests=1 \
  --requests=1024 '--request-size=64K --requests=3' --request-size=32M \
  --request-size=100000 --memory=1 --memory=1M --cache=none \
  --cache=writeback --cache=auto --rate=1T --target-is-zero --stall=1 \
  -v -q --digest=dg '--digest=dg --digest-type=sha256' \
  '--journal=j --cache=writeback' \
  '--journal=j --identity=change-1 --digest-type=sha256'; do
  rm -f target j dg
  # shellcheck disable=SC2086
  "${copy[@]}" "$uri" target $options -f json >out
  same_bytes disk.raw target
  case $options in
  *writeback*) [ "$(result cache)" = writeback ] || fail 'not writeback' ;;
  *--digest=*)
    "$NBDLIFT" verify -q --digest=dg --source="$uri" target >out.verify
    [[ $(result digest) =~ ^[0-9a-f]{64}$ ]] || fail 'no digest'
    ;;
  esac
done

# --- Sizes of all kinds, and both types of digests.

for size in 0 1 511 512 513 4095 4096 1048575 1048576 1048577 2097153 \
            5242879; do
  head -c "$size" /dev/urandom >d
  serve file d
  for cache in none writeback; do
    for type in poly1305 sha256; do
      rm -f target j "dg.$cache.$type"
      "${copy[@]}" "$uri" target --cache=$cache --digest-type=$type \
        --digest="dg.$cache.$type" --journal=j -f json >out
      cmp d target || fail "$size bytes, $cache, $type"
      [ "$(result size)" -eq "$size" ] || fail "size of $size"
      [ "$(result read)" -eq "$size" ] || fail "read of $size"
      result digest >"root.$cache.$type"
      "$NBDLIFT" verify -q --digest="dg.$cache.$type" target >out.verify
    done
  done
  cmp root.none.sha256 root.writeback.sha256 ||
    fail "SHA-256: the roots of equal disks of $size bytes differ"
  ! cmp -s root.none.poly1305 root.writeback.poly1305 ||
    fail "poly1305: two copies had one key"
done
serve file disk.raw

# --- A journal.

# Interrupted: status 8, and the same command goes on.
head -c 100000000 /dev/urandom >big.raw
serve file big.raw
rm -f target j
"${copy[@]}" "$uri" target --journal=j --rate=40M 2>err >out &
pid=$!
for ((i = 0; i < 200; i++)); do
  [ "$(stat -c %s j 2>/dev/null || echo 0)" -le 5000 ] || break
  sleep 0.1
done
kill -TERM $pid
status=0
wait $pid || status=$?
cat err
[ $status -eq 8 ] || fail "status $status after SIGTERM"
grep -q 'this goes on with it: nbdlift copy .*--journal=j' err ||
  fail 'it does not say how to go on'
[[ -s target.partial && ! -e target ]] || fail 'no partial file'

# Without a journal nothing is left.
"${copy[@]}" "$uri" other --rate=10M 2>err >out &
pid=$!
for ((i = 0; i < 100; i++)); do
  [ ! -s other.partial ] || break
  sleep 0.1
done
kill -TERM $pid
status=0
wait $pid || status=$?
[ $status -eq 8 ] || fail "status $status after SIGTERM"
[[ ! -e other && ! -e other.partial ]] || fail 'a partial file was left'

# Nobody else may write to it meanwhile.
(flock -n 9 && touch locked && exec sleep 600) 9<target.partial &
pid=$!
for ((i = 0; i < 300; i++)); do
  [ ! -e locked ] || break
  sleep 0.1
done
refused 5 'another process has locked it' "$uri" target --journal=j
kill $pid
wait $pid 2>/dev/null || true

"${copy[@]}" "$uri" target --journal=j -f json >out 2>err
cat err
same_bytes big.raw target
[ ! -e target.partial ] || fail 'the partial file is left'
[ "$(result kept)" -gt 0 ] || fail 'nothing was kept'
[ $(($(result kept) + $(result read))) -le 101000000 ] ||
  fail 'blocks were copied twice'
grep -q 'of target were there already' err || fail 'it does not say so'

# Once more: nothing is copied, in either format, and it says so.
"${copy[@]}" "$uri" target --journal=j -f json >out 2>err
[[ $(result read) -eq 0 && $(result written) -eq 0 ]] ||
  fail 'a complete copy was copied again'
[ "$(result kept)" -eq 100000000 ] || fail "kept $(result kept)"
grep -q 'target is complete: 95.* were checked, and nothing was copied' err ||
  fail 'it does not say that nothing was copied'
same_bytes big.raw target

# A block that was damaged is copied again, and no other.
printf damaged | dd of=target bs=1 seek=50000000 conv=notrunc status=none
"${copy[@]}" "$uri" target --journal=j --request-size=1M -f json >out
same_bytes big.raw target
[ "$(result read)" -eq 1048576 ] || fail "read $(result read) for a block"

# Killed between the end of the copy and the renaming.
mv target target.partial
"${copy[@]}" "$uri" target --journal=j -f json >out
same_bytes big.raw target
[ "$(result read)" -eq 0 ] || fail 'a complete copy was copied again'

# The target is gone, or another file has its place: copied again.
rm target
"${copy[@]}" "$uri" target --journal=j -f json >out
same_bytes big.raw target
[ "$(result read)" -eq 100000000 ] || fail "read $(result read)"

# Another state of the source, and what is no journal.
refused 1 'j: belongs to another copy' "$uri" target --journal=j \
  --identity=other
same_bytes big.raw target
[ ! -e target.partial ] || fail 'a partial file was left'
head -c 10000 /dev/urandom >noise
status=0
"${copy[@]}" "$uri" target --journal=noise >out 2>err || status=$?
cat err
[[ $status -ne 0 && $status -lt 9 ]] || fail "status $status"
same_bytes big.raw target
[ ! -e target.partial ] || fail 'a partial file was left'

# --- A rate, loosely: 30 MB at 10M per second take 2.8 s.
truncate -s 30000000 rate.raw
tr '\0' x <rate.raw >rate.data
serve file rate.data
rm -f target j
"${copy[@]}" "$uri" target --rate=10M -f json >out
same_bytes rate.data target
[ "$(result milliseconds)" -ge 1400 ] ||
  fail "$(result milliseconds) ms for 30 MB at 10M per second"

# --- A server that hangs.
serve --filter=delay pattern 1M rdelay=20
SECONDS=0
refused 4 'sent nothing for 1 seconds' "$uri" target2 --stall=1
[ "$SECONDS" -lt 15 ] || fail "it took $SECONDS s to give up"
[ ! -e target2.partial ] || fail 'a partial file was left'
stop_nbdkit "$tmp/server.pid" || true
rm -f server.pid
serve file disk.raw

# --- Progress and JSON lines.
"$NBDLIFT" copy "$uri" target >out 2>err
grep -q 'nbdlift: target: copy: done in .*, 8 MiB' err || fail 'no progress'
for options in -q --no-progress '--progress --no-progress'; do
  # shellcheck disable=SC2086
  "$NBDLIFT" copy "$uri" target $options >out 2>err
  [ ! -s err ] || fail "$options: $(cat err)"
done
for options in '-q --progress' '--no-progress --progress'; do
  # shellcheck disable=SC2086
  "$NBDLIFT" copy "$uri" target $options >out 2>err
  grep -q 'done in' err || fail "$options: no progress"
done
"$NBDLIFT" copy "$uri" target --machine-readable >out 2>err
jq -es '.[-1] | .type == "result" and .status == "succeeded" and
        .exitStatus == 0 and .size == 8388608' err >/dev/null ||
  fail 'no result on standard error'
jq -es 'any(.type == "phase" and .vm == "target" and .step == "copy" and
        .phase == "Completed")' err >/dev/null || fail 'no phase'
grep -q TARGET out || fail 'no table'
"$NBDLIFT" copy "$uri" target --machine-readable=1 >out 2>err
jq -es '.[-1].type == "result"' out >/dev/null || fail 'not only JSON lines'
"$NBDLIFT" copy "$uri" target --machine-readable=7 7>lines >out 2>err
jq -es '.[-1].type == "result"' lines >/dev/null || fail 'no lines in 7'
status=0
"$NBDLIFT" copy "$uri" folder --machine-readable 2>err || status=$?
[ $status -eq 5 ] || fail "status $status"
jq -es '.[-1] | .status == "failed" and .exitStatus == 5' err >/dev/null ||
  fail 'no result after a failure'
jq -es 'any(.type == "error" and (.message | test("folder is a folder")))' \
  err >/dev/null || fail 'no error'
rm -f target

# --- A result that does not get out.
if [ -w /dev/full ]; then
  status=0
  "${copy[@]}" "$uri" target >/dev/full 2>err || status=$?
  [ $status -eq 1 ] || fail "status $status with a full standard output"
  same_bytes disk.raw target
fi

# --- A block device: the tail stays, a smaller one is refused.
if [ "$(id -u)" -eq 0 ] && command -v losetup >/dev/null; then
  tr '\0' s </dev/zero | head -c 9M >device.raw || true
  if device=$(losetup --find --show device.raw 2>/dev/null); then
    cleanup_fn losetup -d "$device"
    for options in --cache=none --cache=writeback; do
      dd if=device.raw of=before bs=1M skip=8 status=none
      "${copy[@]}" "$uri" "$device" $options -f json >out
      head -c 8M "$device" | cmp - disk.raw || fail 'device: other bytes'
      tail -c 1M "$device" | cmp - before || fail 'device: the tail changed'
    done
    ln -s "$device" device.link
    "${copy[@]}" "$uri" device.link >out
    [ -L device.link ] || fail 'the link is gone'
    [ -b "$device" ] || fail 'the device is gone'
    [ ! -e "$device.partial" ] || fail 'a device has no partial file'

    # With a journal, and in use.
    "${copy[@]}" "$uri" "$device" --journal=dj >out
    "${copy[@]}" "$uri" "$device" --journal=dj -f json >out
    [ "$(result read)" -eq 0 ] || fail 'device: copied again'
    truncate -s 20M large.raw
    serve file large.raw
    refused 5 'smaller|too small|large' "$uri" "$device"
    head -c 8M "$device" | cmp - disk.raw || fail 'it was changed'
    if command -v mkfs.ext4 >/dev/null &&
       mkfs.ext4 -q "$device" && mkdir mnt &&
       mount "$device" mnt 2>/dev/null; then
      cleanup_fn umount "$tmp/mnt"
      refused 5 'in use' "$uri" "$device"
    fi
    serve file disk.raw
  else
    echo 'no loop devices here: not tested'
  fi
else
  echo 'not root: block devices not tested'
fi

# --- The examples of the man page.
awk '/^=head1 EXAMPLES/ { on = 1 } /^=head1 EXIT/ { on = 0 }
     on && /^ / { print } on && /^$/ { print "" }' "$pod" |
  sed -e "s,nbd://server.example.com/disk,$uri," \
      -e "s,/tmp/nbd.sock,$tmp/nbd.sock,g" \
      -e 's,/dev/vdb,vdb.img,' >examples
[ "$(grep -c '^ nbdlift copy' examples)" -eq 3 ] || fail 'three examples'
requires qemu-nbd
requires qemu-img
requires qemu-io
nbdlift () {
  "$NBDLIFT" "$@"
}
wait_sock () {
  local i
  for ((i = 0; i < 100; i++)); do
    [ ! -S nbd.sock ] || break
    sleep 0.1
  done
}
qemu-img convert -f raw -O qcow2 disk.raw image.qcow2
qemu-img bitmap --add --enable image.qcow2 since
rm -f disk.img vdb.img
# shellcheck disable=SC2016
"$PYTHON" - examples <<'END'
import sys
blocks = [b for b in open(sys.argv[1]).read().split("\n\n") if b.strip()]
for i, block in enumerate(blocks):
    open("example.%d" % i, "w").write(block.replace(
        "image.qcow2 &\n", "image.qcow2 &\nserver=$!\nwait_sock\n") + "\n")
END
server=
# shellcheck disable=SC1091
source ./example.0
same_bytes disk.raw disk.img
# shellcheck disable=SC1091
source ./example.1
kill "$server"
wait "$server" || true
same_bytes disk.raw vdb.img
rm -f nbd.sock
qemu-io -f qcow2 image.qcow2 -c 'write -P 3 1M 100k' >/dev/null
# shellcheck disable=SC1091
source ./example.2
kill "$server"
wait "$server" || true
qemu-img compare -f raw -F qcow2 disk.img image.qcow2
