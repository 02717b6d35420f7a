#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The conditions in nbdlift-plan(5) are those in the source: no type of
# problem is missing there, and none is made up.

source ./tests/functions.sh

"$PYTHON" - driver/plan/nbdlift-plan.pod driver/*.c driver/plan/*.c <<'EOF'
import re
import sys

with open(sys.argv[1], encoding='utf-8') as f:
    page = f.read()
section = page[page.index('\n=head1 CONDITIONS'):]
section = section[:section.index('\n=head1 ', 2)]
given, others = section.split('\n=back\n')
described = set(re.findall(r'C<([A-Z]\w+)>', given))
not_given = set(re.findall(r'C<([A-Z]\w+)>', others))

# Where a problem is made, its type follows the category.
report = re.compile(r'''
    (?: PROBLEM_[A-Z]+ | unsupported\ \(look\) | missing | category ) \s* ,
    \s* "([A-Z][A-Za-z]+)" ''', re.X)
table = re.compile(r'\.condition = "([A-Z][A-Za-z]+)"')
used, text = set(), ''
for name in sys.argv[2:]:
    with open(name, encoding='utf-8') as f:
        source = f.read()
    used |= set(report.findall(source)) | set(table.findall(source))
    text += source
used -= {'Critical', 'Warning'}         # compared with, not made
assert len(used) > 50, len(used)

assert not used - described, 'not described: %s' % (used - described)
made_up = {name for name in described if '"%s"' % name not in text}
assert not made_up, 'in no source: %s' % made_up
assert not used & not_given, 'given after all: %s' % (used & not_given)
EOF
