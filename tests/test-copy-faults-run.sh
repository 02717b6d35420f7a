#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 240
#
# nbdlift run of a VM with two disks, killed (SIGKILL: the driver, its
# server, both) at random moments and started again until it is done.

source ./tests/functions.sh
source ./tests/driver-functions.sh
source ./tests/copy-functions.sh
requires jq
requires nbdkit
[ "${SAN:-}" != valgrind ] || skip "under valgrind: it takes hours"

tmpdir
export TMPDIR=$tmp
random_seed

kills=10
interval=$((64 << 20))
rate=110M
mkdir "$tmp/ova"
make_noise "$tmp/a.raw" 120M 0 60 70 50
make_noise "$tmp/b.raw" 200M 0 130 150 20
data=$((260 << 20))
make_ova --name web --format raw --mf none "$tmp/ova/web.ova" "$tmp/a.raw" \
  "$tmp/b.raw"
make_plan "$tmp/ova" web >"$tmp/plan.yaml"
out=$tmp/out
state=$out/.nbdlift/mig/plan1/vms/web

# All that is read goes through here.
reads=$tmp/reads
cat >"$tmp/counting-nbdkit" <<SH
#!/bin/bash
exec "$NBDKIT" --filter=log "\$@" logfile="$reads" logappend=true
SH
chmod +x "$tmp/counting-nbdkit"
export NBDLIFT_NBDKIT=$tmp/counting-nbdkit

start_run () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate $rate \
    --machine-readable=5 5>"$tmp/json" >"$tmp/log" 2>&1 &
  copy_pid=$!
}

# check_claims: of both disks, wherever they are.
check_claims () {
  local i raws=("$tmp/a.raw" "$tmp/b.raw") partial
  total_claimed=0
  for i in 0 1; do
    [ -e "$state/disk-$i.journal" ] || continue
    partial=$(find "$out/target" -path "*disk-$i/.disk.img.partial")
    claims "$state/disk-$i.journal" "${raws[i]}" "$partial"
    total_claimed=$((total_claimed + claimed))
  done
}

# check_final: a volume that has its name is complete.
check_final () {
  local i raws=("$tmp/a.raw" "$tmp/b.raw") volume
  for i in 0 1; do
    volume=$(find "$out/target" -path "*disk-$i/disk.img")
    [ -z "$volume" ] || same_disk "${raws[i]}" "$volume"
  done
}

done_kills=0
resumed=0
# kill_something: after a random time; $killed tells what.
kill_something () {
  local victims=(driver server both) servers
  killed=${victims[$((RANDOM % 3))]}
  random_between 200 2000
  sleep "$(printf '%d.%03d' $((random / 1000)) $((random % 1000)))"
  servers=$(our_servers)
  case $killed in
    driver) victims=("$copy_pid") ;;
    server) mapfile -t victims <<<"$servers" ;;
    both) mapfile -t victims <<<"$copy_pid
$servers" ;;
  esac
  kill -KILL "${victims[@]}" 2>/dev/null || true
}

# migrate: until it is done, and then once more.
migrations=0
migrate () {
  local status before had=0
  while :; do
    start_run
    killed=
    [ $done_kills -ge $kills ] || kill_something
    status=0
    wait "$copy_pid" 2>/dev/null || status=$?
    [ $status -ne 0 ] || break
    case $killed:$status in
      driver:137 | both:137) ;;
      server:4)
        grep -q 'error: web: ' "$tmp/log" ||
          { cat "$tmp/log"; fail "no clear error"; } ;;
      *) cat "$tmp/log"; fail "status $status after killing '$killed'" ;;
    esac
    done_kills=$((done_kills + 1))
    wait_no_servers
    check_claims
    had=$total_claimed
    echo "kill $done_kills ($killed after $random ms): $had blocks"
    check_final
  done
  cat "$tmp/log"
  same_disk "$tmp/a.raw" "$(volume_of "$out" web 0)"
  same_disk "$tmp/b.raw" "$(volume_of "$out" web 1)"
  [ -z "$(find "$state" -name '*.journal')" ] ||
    fail "journals of copies are left"
  if [ "$had" -gt 0 ]; then
    resumed=1
    tail -n 1 "$tmp/json" | jq -e '.vms[0].nothingToCopy or
      .vms[0].bytesKept > 0' >"$tmp/verdict"
  fi

  # Once more: nothing is read, and that is said.
  before=$(bytes_read)
  start_run
  wait "$copy_pid" || { cat "$tmp/log"; fail "the second run failed"; }
  grep -q '^web: Succeeded, nothing to copy' "$tmp/log" ||
    { cat "$tmp/log"; fail "it does not say that nothing was copied"; }
  tail -n 1 "$tmp/json" | jq -e '.vms[0].bytesRead == 0' >"$tmp/verdict"
  [ "$(bytes_read)" -eq "$before" ] || fail "something was read again"
  no_servers
  rm -rf "$out"
  migrations=$((migrations + 1))
}

while [ $done_kills -lt $kills ]; do
  migrate
done
[ $resumed -eq 1 ] || fail "no run could go on with anything"

total=$(bytes_read)
# Each of the two disks has checkpoints of its own.
most=$((migrations * data + done_kills * 2 * interval))
echo "$migrations migrations, $done_kills kills, $total bytes read," \
  "at most $most"
[ "$total" -le $most ] || fail "too much was read again"
[ "$total" -ge $((migrations * data)) ] || fail "less was read than there is"
