#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
#
# Write the two registry hives by which libguestfs knows a Windows Server
# 2019 and which virt-v2v edits.  usage: make-registry.py FOLDER
#
# A hive file is a header of 4096 bytes and then "bins" of cells.  A cell is
# a key (nk), a list of keys (lh), a value (vk), a list of values, data, or
# a security descriptor (sk); cells refer to each other by offset from the
# end of the header.  Only what the reader (hivex) checks is filled in.

import os
import struct
import sys

NONE = 0xffffffff
SZ, EXPAND_SZ, BINARY, DWORD = 1, 2, 3, 4


def text(value, kind=SZ):
    return kind, (value + "\0").encode("utf-16-le")


def number(value):
    return DWORD, struct.pack("<I", value)


class Hive:
    def __init__(self):
        self.cells = bytearray()
        # An empty self-relative security descriptor, shared by all keys.
        descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
        self.root = self.reserve(0x4c + len("root"))
        self.security = self.reserve(20 + len(descriptor))
        self.fill(self.security, struct.pack(
            "<2sHIIII", b"sk", 0, self.security, self.security, 1,
            len(descriptor)) + descriptor)

    def reserve(self, size):
        """A new cell; its offset in the hive (after the bin's header)."""
        total = (size + 4 + 7) & ~7
        offset = 0x20 + len(self.cells)
        self.cells += struct.pack("<i", -total) + bytes(total - 4)
        return offset

    def fill(self, offset, data):
        start = offset - 0x20 + 4
        self.cells[start:start + len(data)] = data

    def add(self, data):
        offset = self.reserve(len(data))
        self.fill(offset, data)
        return offset

    def add_value(self, name, kind, data):
        if len(data) <= 4:
            size, where = len(data) | 0x80000000, data.ljust(4, b"\0")
        else:
            size, where = len(data), struct.pack("<I", self.add(data))
        return self.add(struct.pack("<2sHI4sIHH", b"vk", len(name), size,
                                    where, kind, 1, 0) + name.encode())

    def write_key(self, offset, parent, name, tree):
        """TREE: a dict is a key, a pair (type, bytes) a value."""
        keys = sorted((k for k in tree if isinstance(tree[k], dict)),
                      key=str.upper)
        values = [k for k in tree if not isinstance(tree[k], dict)]
        key_list = value_list = NONE
        if keys:
            entries = b""
            for key in keys:
                child = self.reserve(0x4c + len(key))
                self.write_key(child, offset, key, tree[key])
                digest = 0
                for c in key.upper():
                    digest = (digest * 37 + ord(c)) & 0xffffffff
                entries += struct.pack("<II", child, digest)
            key_list = self.add(struct.pack("<2sH", b"lh", len(keys))
                                + entries)
        if values:
            value_list = self.add(struct.pack(
                "<%dI" % len(values),
                *(self.add_value(v, *tree[v]) for v in values)))
        # 0x20: the name is in Latin-1; 0x0c: the root, not to be deleted
        flags = 0x2c if parent == NONE else 0x20
        self.fill(offset, struct.pack(
            "<2sHQIIIIIIIIIIIIIIIHH", b"nk", flags, 0, 0, parent,
            len(keys), 0, key_list, NONE, len(values), value_list,
            self.security, NONE,
            2 * max(map(len, keys), default=0), 0,
            2 * max(map(len, values), default=0),
            max((len(tree[v][1]) for v in values), default=0), 0,
            len(name), 0) + name.encode())

    def write(self, path, tree):
        self.write_key(self.root, NONE, "root", tree)
        size = (0x20 + len(self.cells) + 4 + 4095) & ~4095
        free = size - 0x20 - len(self.cells)
        body = struct.pack("<4sIIQQI", b"hbin", 0, size, 0, 0, 0)
        body += self.cells + struct.pack("<i", free) + bytes(free - 4)
        header = bytearray(4096)
        struct.pack_into("<4sIIQIIIIIII", header, 0, b"regf", 1, 1, 0,
                         1, 3, 0, 1, self.root, size, 1)
        checksum = 0
        for (word,) in struct.iter_unpack("<I", header[:0x1fc]):
            checksum ^= word
        struct.pack_into("<I", header, 0x1fc, checksum)
        with open(path, "wb") as f:
            f.write(header + body)


SOFTWARE = {"Microsoft": {
    "Windows NT": {"CurrentVersion": {
        "ProductName": text("Windows Server 2019 Standard"),
        "EditionID": text("ServerStandard"),
        "InstallationType": text("Server"),
        "CurrentVersion": text("6.3"),
        "CurrentBuild": text("17763"),
        "CurrentMajorVersionNumber": number(10),
        "CurrentMinorVersionNumber": number(0),
    }},
    "Windows": {"CurrentVersion": {
        "DevicePath": text("%SystemRoot%\\inf", EXPAND_SZ),
        "Uninstall": {"{11111111-2222-3333-4444-555555555555}": {
            "DisplayName": text("VMware Tools"),
            "DisplayVersion": text("12.1.0"),
            "UninstallString": text(
                "MsiExec.exe /I{11111111-2222-3333-4444-555555555555}"),
        }},
    }},
}}

# The disk's signature and the partition's offset: make-phony-windows.sh
SYSTEM = {
    "Select": {"Current": number(1), "Default": number(1)},
    "MountedDevices": {"\\DosDevices\\C:": (BINARY, struct.pack(
        "<IQ", 0x11223344, 1048576))},
    "ControlSet001": {
        "Control": {"CriticalDeviceDatabase": {}},
        "Services": {"Tcpip": {"Parameters": {
            "Hostname": text("WIN2019")}}},
    },
}

Hive().write(os.path.join(sys.argv[1], "SOFTWARE"), SOFTWARE)
Hive().write(os.path.join(sys.argv[1], "SYSTEM"), SYSTEM)
