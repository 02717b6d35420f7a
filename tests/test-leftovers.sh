#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What a driver that is killed leaves in the folder for temporary files is
# removed by the next command; and nothing else is.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
mkdir "$tmp/temp" "$tmp/ova"
export TMPDIR=$tmp/temp
unset XDG_RUNTIME_DIR
make_disk "$tmp/db.raw" 64M 60000000
make_ova --name db --format raw "$tmp/ova/db.ova" "$tmp/db.raw"
make_plan "$tmp/ova" db >"$tmp/plan.yaml"

# start NAME: a slow run of its own as $pid; its folder is $folder.
start () {
  local i before
  before=$(ls "$TMPDIR")
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out-$1" --rate 4M \
    >"$tmp/log" 2>&1 &
  pid=$!
  for ((i = 0; i < 300; i++)); do
    folder=$(comm -13 <(echo "$before") <(ls "$TMPDIR"))
    [ -z "$folder" ] || [ ! -e "$TMPDIR/$folder/pid0" ] || break
    kill -0 "$pid" || { cat "$tmp/log"; fail "it ended too early"; }
    sleep 0.1
  done
  folder=$TMPDIR/${folder:?}
  [ "$(stat -c %a "$folder")" = 700 ] || fail "$folder is for others too"
}

# any: any command; it says nothing of that.
any () {
  [ "$(echo '{}' | "$NBDLIFT" template --data - -- x 2>&1)" = x ] ||
    fail "another result"
}

echo "== of two runs one is killed"
start one
killed=$pid
of_killed=$folder
cp "$folder/.nbdlift-owner" "$tmp/owner"
start two
any
[ -d "$of_killed" ] || fail "a run has lost its folder"
[ -d "$folder" ] || fail "a run has lost its folder"
kill -KILL "$killed"
wait "$killed" || true
[ -d "$of_killed" ] || fail "nothing is left behind: what is tested here?"
any
[ ! -e "$of_killed" ] || fail "left: $(ls -A "$of_killed")"
[ -d "$folder" ] || fail "the other run has lost its folder"
kill -INT "$pid"
wait "$pid" || true
[ -z "$(ls "$TMPDIR")" ] || fail "left: $(ls "$TMPDIR")"
wait_no_servers

echo "== serve is killed, with its file for virt-v2v"
"$NBDLIFT" serve "$tmp/plan.yaml" db --tcp >"$tmp/uris" 2>"$tmp/log" &
pid=$!
for ((i = 0; i < 300; i++)); do
  ! grep -q '\.xml$' "$tmp/uris" || break
  kill -0 "$pid" || { cat "$tmp/log"; fail "it ended too early"; }
  sleep 0.1
done
grep -q "localhost" "$(tail -n 1 "$tmp/uris")" || fail "no domain"
kill -KILL "$pid"
wait "$pid" || true
[ -e "$(tail -n 1 "$tmp/uris")" ] || fail "nothing is left behind"
any
[ -z "$(ls "$TMPDIR")" ] || fail "left: $(ls "$TMPDIR")"
wait_no_servers

# leave NAME [MARK]: a folder as a killed driver leaves it, with a folder,
# and a link to what is not ours, in it.
mkdir "$tmp/precious"
echo precious >"$tmp/precious/file"
leave () {
  mkdir -m 700 "$TMPDIR/$1"
  mkdir -p "$TMPDIR/$1/sub/sub"
  echo secret >"$TMPDIR/$1/sub/sub/secret"
  ln -s "$tmp/precious" "$TMPDIR/$1/link"
  ln -s "$tmp/precious" "$TMPDIR/$1/sub/link"
  [ -z "${2:-}" ] || echo "$2" >"$TMPDIR/$1/.nbdlift-owner"
}
read -r name _ ticks namespace <"$tmp/owner"
[ "$name" = nbdlift ] || fail "the mark is $(cat "$tmp/owner")"
mine="$$ $(sed "s/.*) //" "/proc/$$/stat" | cut -d " " -f 20)"

echo "== which are removed"
leave nbdlift-aaaaaa "nbdlift $killed $ticks $namespace"
leave nbdlift-aaaaab "nbdlift $$ 1 $namespace"  # another one's id
any
[ -z "$(ls "$TMPDIR")" ] || fail "left: $(ls "$TMPDIR")"
[ "$(cat "$tmp/precious/file")" = precious ] || fail "a link was followed"

echo "== and which are not"
leave nbdlift-bbbbba
leave nbdlift-bbbbbb "nbdlift $mine $namespace"         # it lives
leave nbdlift-bbbbbc "nbdlift $killed $ticks pid:[1]"   # a container's
leave nbdlift-bbbbbd "nbdlift $killed $ticks"
leave nbdlift-bbbbbe "nbdlift x $ticks $namespace"
leave nbdlift-bbbbbf "other $killed $ticks $namespace"
leave nbdlift-bbbbbg "nbdlift $killed $ticks $namespace"
chmod 755 "$TMPDIR/nbdlift-bbbbbg"
leave nbdlift-long-name "nbdlift $killed $ticks $namespace"
leave other-aaaaaa "nbdlift $killed $ticks $namespace"
mv "$TMPDIR/other-aaaaaa" "$tmp/elsewhere"
ln -s "$tmp/elsewhere" "$TMPDIR/nbdlift-bbbbbh"
leave nbdlift-bbbbbi
ln -s "$tmp/owner" "$TMPDIR/nbdlift-bbbbbi/.nbdlift-owner"
if [ "$(id -u)" -eq 0 ]; then
  leave nbdlift-bbbbbj "nbdlift $killed $ticks $namespace"
  chown 65534 "$TMPDIR/nbdlift-bbbbbj"
fi
: >"$TMPDIR/nbdlift-bbbbbk"
find "$TMPDIR" "$tmp/elsewhere" | sort >"$tmp/before"
any
find "$TMPDIR" "$tmp/elsewhere" | sort | diff -u "$tmp/before" -
rm -r "${TMPDIR:?}"/* "$tmp/elsewhere"

echo "== a server that has survived is ended; what is no server is not"
leave nbdlift-cccccc
leave nbdlift-cccccd
"$NBDKIT" -f -P "$TMPDIR/nbdlift-cccccc/pid0" \
  -U "$TMPDIR/nbdlift-cccccc/s0" null 1M &
server=$!
"$NBDKIT" -f -P "$TMPDIR/nbdlift-cccccd/pid0" \
  -U "$TMPDIR/nbdlift-cccccd/s0" null 1M &
another=$!
cleanup_fn kill "$another"
sleep 1000 &
sleeper=$!
cleanup_fn kill "$sleeper"
for ((i = 0; i < 100; i++)); do
  [ ! -s "$TMPDIR/nbdlift-cccccc/pid0" ] ||
    [ ! -s "$TMPDIR/nbdlift-cccccd/pid0" ] || break
  sleep 0.1
done
echo "$sleeper" >"$TMPDIR/nbdlift-cccccc/pid1"
echo "$another" >"$TMPDIR/nbdlift-cccccc/pid2"
echo 1 >"$TMPDIR/nbdlift-cccccc/pid3"
echo -1 >"$TMPDIR/nbdlift-cccccc/pid4"
ln -s "$TMPDIR/nbdlift-cccccd/pid0" "$TMPDIR/nbdlift-cccccc/pid5"
echo "nbdlift $killed $ticks $namespace" \
  >"$TMPDIR/nbdlift-cccccc/.nbdlift-owner"
any
wait "$server" || true
kill -0 "$another" || fail "the server of another folder was ended"
kill -0 "$sleeper" || fail "a process that is no server was ended"
[ "$(ls "$TMPDIR")" = nbdlift-cccccd ] || fail "left: $(ls "$TMPDIR")"

echo "== cleanup does it as well, and says so"
leave nbdlift-dddddd "nbdlift $killed $ticks $namespace"
expect_status 0 "$NBDLIFT" cleanup "$tmp/plan.yaml" --output "$tmp/out-one" \
  --force
expect_output 'removed .*/nbdlift-dddddd'
[ ! -e "$TMPDIR/nbdlift-dddddd" ] || fail "it is left"
