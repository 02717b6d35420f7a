#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the journal of a copy claims (driver/copy/copy_journal.h), read by
code that shares nothing with the driver's.

usage: copy-journal.py JOURNAL [SOURCE TARGET]

Prints "CLAIMED BLOCKS STATE", where STATE is "complete" or "partial".  With
SOURCE and TARGET each claimed block must have the same bytes in both.
Exit status 1 if it has not, or if the header is broken; an end that is cut
or broken is allowed, as it is after a kill.
"""

import hashlib
import struct
import sys

HEADER = struct.Struct("<8sIIQQII32s4096s")
HEAD = struct.Struct("<4sI")
RUN = struct.Struct("<QQ")
SUM = 32
DIGEST_BYTES = {0: 16, 1: 32}


def read_claims(data):
    """The size of the disk and of a block, the claimed blocks, and whether
    the copy is complete."""
    magic, version, _, size, block_size, kind, _, _, _ = \
        HEADER.unpack_from(data)
    if magic != b"NBDLIFTJ" or version != 1:
        sys.exit("not a journal")
    end = HEADER.size + SUM
    chain = data[HEADER.size:end]
    if hashlib.sha256(data[:HEADER.size]).digest() != chain:
        sys.exit("the header is broken")
    run_bytes = RUN.size + DIGEST_BYTES[kind]
    claims = set()
    complete = False
    while end + HEAD.size <= len(data):
        magic, runs = HEAD.unpack_from(data, end)
        body = HEAD.size + runs * run_bytes
        record = data[end:end + body]
        have = data[end + body:end + body + SUM]
        if magic != b"BLKS" or len(have) < SUM or \
           hashlib.sha256(chain + record).digest() != have:
            break
        for i in range(runs):
            first, count = RUN.unpack_from(record, HEAD.size + i * run_bytes)
            claims.update(range(first, first + count))
        complete = runs == 0
        chain = have
        end += body + SUM
    return size, block_size, claims, complete


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    if len(data) < HEADER.size + SUM:
        print("0 0 partial")       # killed while it was begun
        return
    size, block_size, claims, complete = read_claims(data)
    blocks = -(-size // block_size)
    if claims and max(claims) >= blocks:
        sys.exit(f"claims block {max(claims)} of {blocks}")
    print(len(claims), blocks, "complete" if complete else "partial")
    if len(sys.argv) > 2:
        with open(sys.argv[2], "rb") as source, \
             open(sys.argv[3], "rb") as target:
            for block in sorted(claims):
                source.seek(block * block_size)
                target.seek(block * block_size)
                n = min(block_size, size - block * block_size)
                if source.read(n) != target.read(n):
                    sys.exit(f"block {block} is claimed and wrong")


main()
