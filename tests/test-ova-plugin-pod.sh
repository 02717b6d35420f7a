#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The man page and --help have the same parameters; sections stand in the
# order of nbdkit's pages; the page is valid; its examples run.

source ./tests/functions.sh
requires podchecker
requires nbdcopy
requires qemu-img
tmpdir
pod=plugins/ova/nbdkit-ova-plugin.pod

podchecker -warnings -warnings $pod

# Parameters, without the magic key's brackets.
"$NBDKIT" "$OVA_PLUGIN" --help >"$tmp/help"
sed -n 's/^\[\{0,1\}\([-a-z0-9]*\)=.*/\1/p' "$tmp/help" | sort -u \
  >"$tmp/in-help"
sed -n '/^=head1 PARAMETERS/,/^=head1 EXPORT/p' $pod |
  sed -n 's/^=item \[\{0,1\}B<\([-a-z0-9]*\)=.*/\1/p' | sort -u \
  >"$tmp/in-pod"
[ "$(wc -l <"$tmp/in-help")" -ge 7 ] || fail "--help shows too little"
diff -u "$tmp/in-help" "$tmp/in-pod" || fail "--help and the page differ"
# Alphabetical in both.
sed -n 's/^\[\{0,1\}\([-a-z0-9]*\)=.*/\1/p' "$tmp/help" | sort -c

grep '^=head1' $pod | sed 's/=head1 //' >"$tmp/sections"
cat >"$tmp/want" <<'END'
NAME
SYNOPSIS
DESCRIPTION
EXAMPLES
PARAMETERS
EXPORT NAMES
OTHER IMAGE FORMATS
VIRT-V2V
DUMP-PLUGIN OUTPUT
NOTES
DEBUG FLAGS
FILES
VERSION
SEE ALSO
AUTHORS
COPYRIGHT
END
diff -u "$tmp/want" "$tmp/sections" || fail "sections"

# The examples, but the one that needs an NFS server.
truncate -s 1M "$tmp/1.raw"
truncate -s 2M "$tmp/2.raw"
cd "$tmp"
mkdir exports
"$srcdir/tests/tools/make-ova.py" exports/web.ova 1.raw
"$srcdir/tests/tools/make-ova.py" exports/db.ova 2.raw
cp exports/web.ova .
sed -n '/^=head1 EXAMPLES/,/^=head1 PARAMETERS/p' "$srcdir/$pod" |
  grep '^ nbdkit' | grep -v nas1 |
  sed -e "s|nbdkit -U - ova|nbdkit_ova -U -|" -e "s|/srv/exports|exports|" \
  >commands
[ "$(wc -l <commands)" -ge 5 ] || fail "no examples"
while read -r command; do
  case $command in
    *disk2*) "$srcdir/tests/tools/make-ova.py" web.ova 1.raw 2.raw ;;
  esac
  echo "+ $command"
  eval "$command"
done <commands
cmp 1.raw web.raw
cmp 2.raw d2.raw
qemu-img compare -f raw -F qcow2 1.raw web.qcow2
