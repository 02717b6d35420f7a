#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""crd-sample.py CRD.yaml...

For each kind of object that the CRDs define, print one object as JSON, a
line each, that has every field of the schema but status.  Values have the
right type; what they say makes no sense."""
import json
import sys

import yaml


def sample(schema):
    if 'enum' in schema:
        return schema['enum'][0]
    kind = schema.get('type')
    if kind == 'object' or 'properties' in schema:
        fields = schema.get('properties')
        if fields is None:
            return {'key': sample(schema.get('additionalProperties', {}))}
        return {name: sample(value) for name, value in fields.items()}
    if kind == 'array':
        return [sample(schema['items'])]
    if kind == 'boolean':
        return True
    if kind in ('integer', 'number'):
        return 1
    if schema.get('format') == 'date-time':
        return '2026-01-31T23:30:00Z'
    return 'value'


def main():
    for name in sys.argv[1:]:
        with open(name, encoding='utf-8') as f:
            spec = yaml.load(f, Loader=yaml.CSafeLoader)['spec']
        for version in spec['versions']:
            schema = version['schema']['openAPIV3Schema']
            obj = sample(schema)
            obj.pop('status', None)
            obj.update(apiVersion=spec['group'] + '/' + version['name'],
                       kind=spec['names']['kind'],
                       metadata={'name': 'all-fields'})
            print(json.dumps(obj))


main()
