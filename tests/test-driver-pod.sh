#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift(1), and the pages of commands that have one of their own: valid
# POD, and the same commands and options as --help has.

source ./tests/functions.sh
requires podchecker

pod=driver/nbdlift.pod
podchecker -warnings -warnings $pod

tmpdir
"$NBDLIFT" --help >"$tmp/help"
sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p' "$tmp/help" >"$tmp/commands"
[ "$(wc -l <"$tmp/commands")" -ge 7 ] || fail "too few commands in --help"
sed -n 's/^=head2 nbdlift //p' $pod >"$tmp/documented"
diff -u "$tmp/commands" "$tmp/documented" ||
  fail "commands of --help and of the POD differ"

# The options of a command: in its help, and in the paragraph "Options:" of
# its section.
: >"$tmp/all"
while read -r command; do
  "$NBDLIFT" "$command" --help >"$tmp/help.$command"
  head -n 1 "$tmp/help.$command" | grep -q "^Usage: nbdlift $command " ||
    fail "$command --help does not begin with its usage"
  ! grep -q '.\{80\}' "$tmp/help.$command" ||
    fail "$command --help has lines of more than 79 characters"
  sed -n 's/^ *\(-[a-z], \)*\(--[a-z-]*\).*/\2/p' "$tmp/help.$command" |
    sort >"$tmp/has"
  grep -q "^ nbdlift $command " $pod || fail "$command is not in SYNOPSIS"

  # One with a page of its own describes its options there.
  if [ -e "driver/nbdlift-$command.pod" ]; then
    podchecker -warnings -warnings "driver/nbdlift-$command.pod"
    awk '/^=head1/ { here = $0 == "=head1 OPTIONS" } here' \
      "driver/nbdlift-$command.pod" |
      sed -n 's/^=item B<\(--[a-z-]*\)=*>.*/\1/p' | sort -u >"$tmp/says"
    diff -u "$tmp/has" "$tmp/says" || fail "options of $command differ"
    grep -q "L<nbdlift-$command(1)>" $pod ||
      fail "nbdlift(1) does not name nbdlift-$command(1)"
    continue
  fi
  awk -v command="$command" '
    /^=head/ { here = $0 == "=head2 nbdlift " command }
    here && /^Options: / { options = 1 }
    here && options { print }
    /^$/ { options = 0 }' $pod |
    grep -oE -- 'B<--[a-z-]+>' | sed 's/B<\(.*\)>/\1/' | sort >"$tmp/says"
  diff -u "$tmp/has" "$tmp/says" || fail "options of $command differ"
  cat "$tmp/has" >>"$tmp/all"
done <"$tmp/commands"

# Each option is described once, and no other is.
echo --version >>"$tmp/all"
sort -u "$tmp/all" >"$tmp/has"
awk '/^=head1/ { here = $0 == "=head1 OPTIONS" } here' $pod |
  sed -n 's/^=item B<\(--[a-z-]*\)=*>.*/\1/p' | sort -u >"$tmp/says"
diff -u "$tmp/has" "$tmp/says" || fail "options and OPTIONS differ"

# bash completion knows the commands too.
sed -n "/compgen -W 'run/,/\"\$cur\"/p" driver/nbdlift.bash-completion \
  >"$tmp/completed"
while read -r command; do
  grep -qw -- "$command" "$tmp/completed" ||
    fail "bash completion does not know $command"
done <"$tmp/commands"
