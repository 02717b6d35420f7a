#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Every manifest printed in MTV's chapter on the command line gets the
# verdict that it should, its misprints explained; with these mended, the
# manifests of each chapter are a plan without an error.
#
# NBDLIFT_SEED names the text of the chapter.

source ./tests/functions.sh

seed=${NBDLIFT_SEED:-}
if [ -z "$seed" ]; then
  for f in ../shared/seeds/*.txt; do
    [ -e "$f" ] && seed=$f
  done
fi
[ -n "$seed" ] || skip "the text of the chapter is not there (NBDLIFT_SEED)"
tmpdir

mkdir "$tmp/as-printed" "$tmp/mended"
"$PYTHON" tests/tools/seed-extract.py "$seed" "$tmp/as-printed"
count=$(find "$tmp/as-printed" -type f | wc -l)
[ "$count" -eq 46 ] || fail "$count manifests instead of 46"

check_alone () {
  expect_status "$1" "$NBDLIFT" check --schema-only "$2"
}

hooks=0 cancels=0 hosts=0 models=0 passwords=0 clean=0
for f in "$tmp"/as-printed/*.yaml; do
  case $f in
    *-Hook.yaml)
      hooks=$((hooks + 1))
      check_alone 3 "$f"
      line=$(grep -n serviceAccount: "$f" | cut -d: -f1)
      expect_output "^$f:$line:3: error: the blank after 'serviceAccount:'"
      ;;
    *-Host.yaml)
      hosts=$((hosts + 1))
      check_alone 0 "$f"
      expect_output 'note: .*: spec\.secret: is not given'
      ;;
    *)
      if grep -q '^\.\.\.$' "$f"; then
        cancels=$((cancels + 1))
        check_alone 3 "$f"
        line=$(grep -n '^\.\.\.$' "$f" | cut -d: -f1)
        expect_output "^$f:$line:1: error: Migration .*'\.\.\.' ends the doc"
      elif grep -q '^  preserveClusterCpuModel' "$f"; then
        models=$((models + 1))
        check_alone 0 "$f"
        expect_output \
          'warning: .*: metadata\.preserveClusterCpuModel: belongs under'
      elif grep -q 'Type: openshift' "$f"; then
        passwords=$((passwords + 1))
        check_alone 0 "$f"
        expect_output 'note: .*: stringData\.password: is not used'
      else
        clean=$((clean + 1))
        check_alone 0 "$f"
        expect_output '^ready: 0 critical, 0 warnings, [01] notes$'
      fi
      ;;
  esac
done
[ "$hooks $cancels $hosts $models $passwords $clean" = "5 5 1 1 1 33" ] ||
  fail "hooks $hooks, cancels $cancels, hosts $hosts, models $models," \
    "passwords $passwords, others $clean"

# A chapter begins with its Secret.  The Migrations that cancel are
# fragments: they have no plan.
chapter=0
for f in "$tmp"/as-printed/*.yaml; do
  case $f in
    *-Secret.yaml)
      chapter=$((chapter + 1))
      mkdir "$tmp/mended/$chapter"
      ;;
  esac
  grep -q '^\.\.\.$' "$f" && continue
  sed -e 's/serviceAccount:\([a-z]\)/serviceAccount: \1/' \
    -e 's/LS0tCi0gbm\.\.\./LS0tCi0gbmFtZTogeA==/' \
    "$f" >"$tmp/mended/$chapter/${f##*/}"
done
[ "$chapter" -eq 5 ] || fail "$chapter chapters instead of 5"
for ((i = 1; i <= chapter; i++)); do
  expect_status 0 "$NBDLIFT" check --no-source "$tmp/mended/$i"/*.yaml
  # as one stream on standard input, too
  for f in "$tmp/mended/$i"/*.yaml; do
    echo ---
    cat "$f"
  done >"$tmp/stream.yaml"
  "$NBDLIFT" check --no-source - <"$tmp/stream.yaml" ||
    fail "chapter $i as a stream"
done
