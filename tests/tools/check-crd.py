#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check Kubernetes objects against the schemas of CRDs, strictly.

usage: check-crd.py [--self-test] CRD-FOLDER < OBJECTS

OBJECTS are JSON arrays, one a line.  Objects of kinds that the folder has
no CRD for are checked against nothing but the rules of a
PersistentVolumeClaim below.  As `kubectl apply --validate=strict' does,
fields that the schema does not know are errors; the schema's types,
patterns, enumerations, required fields and int-or-string are checked.
"""
import copy
import glob
import json
import os
import re
import sys

import yaml

QUANTITY = re.compile(
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$")
LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")


def string(pattern=None):
    s = {"type": "string"}
    if pattern:
        s["pattern"] = pattern
    return s


def mapping(values):
    return {"type": "object", "additionalProperties": values}


# PersistentVolumeClaim has no CRD: the fields of v1 that we write.
PVC = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"type": "string", "enum": ["v1"]},
        "kind": string(),
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["accessModes", "resources"],
            "properties": {
                "accessModes": {
                    "type": "array",
                    "items": {"type": "string", "enum": [
                        "ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany",
                        "ReadWriteOncePod"]}},
                "volumeMode": {"type": "string",
                               "enum": ["Filesystem", "Block"]},
                "storageClassName": string(),
                "resources": {
                    "type": "object", "required": ["requests"],
                    "properties": {"requests": {
                        "type": "object", "required": ["storage"],
                        "properties": {
                            "storage": string(QUANTITY.pattern)}}}},
            }},
    },
}

# metadata is checked by the API server, not by the CRD.
METADATA = {
    "type": "object",
    "required": ["name", "namespace"],
    "properties": {
        "name": string(), "namespace": string(DNS_LABEL.pattern),
        "labels": mapping(string(LABEL_VALUE.pattern)),
        "annotations": mapping(string()),
    },
}

TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool,
    "integer": int, "number": (int, float),
}


def check(value, schema, path, errors):
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, (int, str)) or isinstance(value, bool):
            errors.append(f"{path}: neither integer nor string")
        elif isinstance(value, str) and "pattern" in schema and \
                not re.search(schema["pattern"], value):
            errors.append(f"{path}: {value!r} does not match the pattern")
        return
    if value is None:
        if not schema.get("nullable"):
            errors.append(f"{path}: null")
        return
    kind = schema.get("type")
    if kind:
        good = isinstance(value, TYPES[kind])
        if kind in ("integer", "number") and isinstance(value, bool):
            good = False
        if not good:
            errors.append(f"{path}: {value!r} is no {kind}")
            return
    if "enum" in schema and value not in schema["enum"]:
        errors.append(f"{path}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            errors.append(f"{path}: {value!r} does not match the pattern")
        if len(value) > schema.get("maxLength", sys.maxsize):
            errors.append(f"{path}: too long")
    elif isinstance(value, dict):
        check_object(value, schema, path, errors)
    elif isinstance(value, list):
        if len(value) > schema.get("maxItems", sys.maxsize):
            errors.append(f"{path}: too many items")
        for i, item in enumerate(value):
            check(item, schema.get("items", {}), f"{path}[{i}]", errors)
        check_keys(value, schema, path, errors)


def check_object(value, schema, path, errors):
    known = schema.get("properties", {})
    more = schema.get("additionalProperties")
    # The metadata of the object itself: see METADATA.
    free = schema.get("x-kubernetes-preserve-unknown-fields") or \
        re.fullmatch(r"[A-Za-z]+\.metadata", path)
    for name in schema.get("required", []):
        if name not in value:
            errors.append(f"{path}.{name}: required")
    for name, child in value.items():
        where = f"{path}.{name}"
        if name in known:
            check(child, known[name], where, errors)
        elif isinstance(more, dict):
            check(child, more, where, errors)
        elif more is not True and not free:
            errors.append(f"{where}: unknown field")


def check_keys(value, schema, path, errors):
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys:
        return
    seen = [tuple(item.get(k) for k in keys) for item in value]
    if len(set(seen)) != len(seen):
        errors.append(f"{path}: two items have the same {keys}")


def load_crds(folder):
    schemas = {("v1", "PersistentVolumeClaim"): PVC}
    for name in glob.glob(os.path.join(folder, "*.yaml")):
        with open(name, encoding="utf-8") as f:
            for crd in yaml.load_all(f, Loader=yaml.CSafeLoader):
                if not crd:
                    continue
                spec = crd["spec"]
                for version in spec["versions"]:
                    key = (f"{spec['group']}/{version['name']}",
                           spec["names"]["kind"])
                    schemas[key] = version["schema"]["openAPIV3Schema"]
    return schemas


def check_pairs(obj, errors):
    """What KubeVirt's webhook asks for and a schema cannot say."""
    pod = obj["spec"]["template"]["spec"]
    domain = pod["domain"]
    devices = domain["devices"]
    for a, b in (("disks", "volumes"), ("interfaces", "networks")):
        left = [x["name"] for x in devices[a]]
        right = [x["name"] for x in pod[b]]
        if left != right or len(set(left)) != len(left):
            errors.append(f"{a} {left} and {b} {right} do not pair")
    efi = domain["firmware"]["bootloader"].get("efi")
    if efi is not None and efi.get("secureBoot", True) and \
            not domain.get("features", {}).get("smm", {}).get("enabled"):
        errors.append("secure boot without features.smm.enabled")
    if ("runStrategy" in obj["spec"]) == ("running" in obj["spec"]):
        errors.append("exactly one of runStrategy and running is required")


def check_one(obj, schemas):
    errors = []
    key = (obj.get("apiVersion"), obj.get("kind"))
    if key not in schemas:
        return [f"no schema for {key}"]
    check(obj, schemas[key], obj["kind"], errors)
    check(obj["metadata"], METADATA, "metadata", errors)
    if obj["kind"] == "VirtualMachine" and not errors:
        check_pairs(obj, errors)
    return errors


def self_test(objects, schemas):
    """Every one of these changes must be noticed."""
    vm = next(o for o in objects if o["kind"] == "VirtualMachine")
    pod = ("spec", "template", "spec")
    changes = [
        (("spec", "runStrateegy"), "Always"),
        (("spec", "running"), True),
        (pod + ("domain", "cpu", "cores"), "two"),
        (pod + ("domain", "memory", "guest"), "4 GB"),
        (pod + ("domain", "devices", "disks", 0, "bus"), "virtio"),
        (pod + ("domain", "devices", "disks", 0, "name"), "other"),
        (pod + ("domain", "devices", "interfaces", 0, "macAdress"), "x"),
        (pod + ("domain", "firmware", "bootloader", "efi"), {}),
        (pod + ("volumes", 0, "persistentVolumeClaim", "name"), "x"),
        (("metadata", "labels", "vmID"), "not/a label"),
        (("spec", "template"), None),
    ]
    for path, value in changes:
        bad = copy.deepcopy(vm)
        place = bad
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
        if not check_one(bad, schemas):
            sys.exit(f"a wrong {path} was not noticed")


def main():
    args = sys.argv[1:]
    want_self_test = "--self-test" in args
    args = [a for a in args if a != "--self-test"]
    schemas = load_crds(args[0])
    count = 0
    failed = False
    for line in sys.stdin:
        objects = json.loads(line)
        for obj in objects:
            count += 1
            for error in check_one(obj, schemas):
                failed = True
                print(f"{obj['metadata']['name']}: {error}",
                      file=sys.stderr)
        if want_self_test and not failed:
            self_test(objects, schemas)
            want_self_test = False
    if count == 0:
        sys.exit("no objects to check")
    if failed:
        sys.exit(1)
    print(f"{count} objects are valid")


main()
