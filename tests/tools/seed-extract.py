#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""seed-extract.py TEXT OUTDIR

Take the manifests out of the text of MTV's chapter on the command line,
which prints them as here-documents with numbered callouts in between, one
file each: NN-KIND.yaml.  Placeholders in angle brackets are filled in;
nothing else is changed."""
import os
import re
import sys

# What a placeholder cannot be by its name alone.
VALUES = {
    'source_provider': 'source', 'provider_name': 'source',
    'destination_provider': 'host', 'name_of_plan_cr': 'plan',
    'plan': 'plan', 'step': 'PreHook', 'access_mode': 'ReadWriteOnce',
    'api_end_point': 'https://api.example.com/sdk',
    'nfs_server:/nfs_path': 'filer:/exports/ova',
    '"true"/"false"': '"true"', 'IP_address': '10.0.0.1',
    'source_network_ip': '10.1.1.1',
    'optional_cutover_time': '2024-04-04T01:23:45.678+09:00',
    'VDDK_image': 'registry.example.com/vddk:8',
    'provider_uid': '6f0a3f2e-0000-4000-8000-000000000001',
}


def value(match):
    name = match.group(1)
    if name in VALUES:
        return VALUES[name]
    if 'template' in name:
        return '"x-{{.%s}}"' % {'p': 'DiskIndex', 'v': 'VolumeIndex',
                                'n': 'NetworkIndex'}[name[0]]
    return re.sub('[^a-z0-9]+', '-', name.lower())


def here_documents(lines):
    """Yield (line number, lines) of each block of text to apply or edit."""
    block, number = None, 0
    for i, line in enumerate(lines, 1):
        if block is None:
            if '<< EOF' in line or 'oc edit NetworkAttachment' in line:
                block, number = [], i + 1
                ends = (lambda s: s == 'EOF') if 'EOF' in line else \
                    (lambda s: s == '' or re.match(r'\d+\. ', s))
        elif ends(line.strip()):
            yield number, block
            block = None
        else:
            block.append(line)


def main(source, outdir):
    with open(source, encoding='utf-8') as f:
        lines = f.read().split('\n')
    n = 0
    for number, block in here_documents(lines):
        # callout numbers stand alone on a line
        block = [b.rstrip() for b in block
                 if b.strip() and not re.fullmatch(r'\s*\d+', b.rstrip())]
        kinds = [b.split()[1] for b in block if b.split()[0] == 'kind:']
        if not kinds:
            continue
        n += 1
        margin = min(len(b) - len(b.lstrip()) for b in block)
        text = '\n'.join(b[margin:] for b in block) + '\n'
        text = re.sub('<([^>]*)>', value, text)
        name = os.path.join(outdir, '%02d-%s.yaml' % (n, kinds[0]))
        with open(name, 'w', encoding='utf-8') as f:
            f.write('# line %d\n%s' % (number, text))


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
