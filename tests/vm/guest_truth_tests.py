# SPDX-License-Identifier: Apache-2.0
"""Scenarios that only ask whether all bytes are right, after work of all kinds."""

import json
import os
import re
import subprocess
import time

from guest_fsx import Fsx
from guest_lib import MIB, put, same
from guest_scenario import scenario

# A job a section: what fio writes through one client, and verifies there and through the other one.
FIO = """
[global]
ioengine=psync
verify=crc32c
verify_fatal=1
verify_state_save=0
fallocate=none

[direct]
rw=randwrite
direct=1
bs=4k
size=1m

[allocated]
rw=randwrite
direct=1
fallocate=posix
bsrange=4k-256k
blockalign=4k
size=12m

[buffered]
rw=randwrite
bssplit=512/20:4k/40:13k/20:64k/20
fsync=32
size=4m

[order]
rw=write
bs=64k
end_fsync=1
size=8m
"""


FIO_MIB = 25


def fio(path, option, direction):
    """All jobs, one after the other, in the directory; it must have written, or read, all of the files."""
    jobs = [f"--section={name}" for name in re.findall(r"^\[(?!global)(.*)\]", FIO, re.M)]
    done = subprocess.run(["fio", f"--directory={path}", "--output-format=json", option, *jobs, "/tmp/fio.job"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise AssertionError(f"fio {option}: exit {done.returncode}: {done.stderr.strip()[-600:]}")
    moved = sum(job[direction]["io_bytes"] for job in json.loads(done.stdout[done.stdout.index("{") :])["jobs"])
    same(moved, FIO_MIB * MIB, f"bytes that fio {option} moved")


@scenario()
def test_fio(world):
    """fio, verified by the other client: direct and buffered, in order and not, blocks of many sizes, with fsync"""
    a, b = world.clients
    put("/tmp/fio.job", FIO.encode())
    for client, other, path in ((a, b, f"{world.dir}/by_a"), (b, a, f"{world.dir}/by_b")):
        client.run(os.mkdir, path)
        before = [client.counters(), other.counters()]
        client.run(fio, path, "--do_verify=0", "write")
        # A page that is written in part, behind the end that the server knows, is first read from there.
        spent = world.cost(client, before[0], f"client {client.n} wrote", through=None)
        same(spent["WRITE"], 0, "WRITEs through the server")
        world.drop_caches()
        other.run(fio, path, "--verify_only", "read")
        world.cost(other, before[1], f"client {other.n} verified")
    world.unfenced()


STEPS = 100
AT_ONCE = 4
ROUNDS = 6  # of another seed each, in --long


def work_alone(dirs, seed, name, who):
    """One client changes files, both look at them."""
    Fsx(dirs, seed, (f"one{name}", f"two{name}"), (who,)).run(STEPS)


def work_by_turns(dirs, seed, name):
    Fsx(dirs, seed, (f"one{name}", f"two{name}")).run(STEPS)


def random_round(world, dirs, seed):
    """What went wrong."""
    works = [world.start(work_alone, dirs, 10 * seed + i, f"{seed}.{i}", i % 2) for i in range(AT_ONCE)]
    works.append(world.start(work_by_turns, dirs, 10 * seed + AT_ONCE, seed))
    return [work.failure(900) for work in works]


@scenario()
def test_random(world):
    """random operations (LAMINA_SEED) of two clients at once, on files of their own and by turns on the same ones"""
    # Programs of the guest see the mounts of both clients.
    dirs = [client.root + world.dir.replace("/mnt", "", 1) for client in world.clients]
    started = time.monotonic()
    for seed in range(world.seed, world.seed + (ROUNDS if world.long else 1)):
        world.note(f"LAMINA_SEED={seed}")
        failures = random_round(world, dirs, seed)
        if any(failures):
            raise AssertionError(" AND ".join(filter(None, failures)))
    world.note(f"{AT_ONCE + 1} times {STEPS} operations with each in {time.monotonic() - started:.1f} s")
    world.unfenced()
