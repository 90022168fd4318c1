# SPDX-License-Identifier: Apache-2.0
"""A disk with a volatile write cache loses its power, and the server with it (invariant I14)."""

import os
import time

from guest_device_tests import SMALL, disks_of, free_bytes, space_back
from guest_lib import MIB, put, same
from guest_pattern import BLOCK, buffered, direct, first_wrong, pattern, read_at, write_at, write_ranges
from guest_scenario import scenario

OLD = 1 << 32  # the tag of what was deleted before
FILES, PLACES = 30, 4  # that a writer writes in turn, and in turn in one more file


def note_promise(fd, path, tag, at):
    """fsync or close has returned: from now on these SMALL bytes are durable."""
    os.write(fd, f"{time.monotonic()} {tag} {at} {path}\n".encode())


def make_promises(top, log, stop, opener, synced):
    """Writes files one after the other, and places of one file, until stop exists.

    Returns the highest tag; what fsync (or close) has promised is in log.
    """
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    tag = 0
    while not os.path.exists(stop):
        tag += 1
        for path, at in ((f"{top}.{tag % FILES}", 0), (f"{top}.own", tag % PLACES * SMALL)):
            fd = opener(path)
            write_at(fd, at, pattern(tag, at, SMALL))
            if synced:
                os.fsync(fd)
                note_promise(out, path, tag, at)
            os.close(fd)
            if not synced:
                note_promise(out, path, tag, at)
    os.close(out)
    return tag


def promises_before(log, cut):
    """{path: {offset: tag}} of what was promised last before the cut."""
    found = {}
    with open(log, encoding="ascii") as file:
        for line in file:
            when, tag, at, path = line.split()
            if float(when) < cut:
                found.setdefault(path, {})[int(at)] = int(tag)
    return found


def check_promises(found):
    """What was promised is there, or what was written to its place after that."""
    for path, places in found.items():
        fd = buffered(path, os.O_RDONLY)
        for at, tag in places.items():
            tags = (tag, tag + (PLACES if path.endswith(".own") else FILES))
            why = first_wrong(read_at(fd, at, SMALL).ljust(SMALL, b"\0"), at, tags)
            if why:
                raise AssertionError(f"{path}, {os.fstat(fd).st_size} bytes, promised at {at}: {why}")
        os.close(fd)


def check_no_stale(top, highest):
    """Each block of each file is zeros, or was written to that place of such a file.

    But for what was under way at the cut: the disk may have lost it and the client have committed it afterwards, as any
    host would whose disk alone loses its power.
    """
    for path in [f"{top}.own"] + [f"{top}.{i}" for i in range(FILES) if i != highest % FILES]:
        if not os.path.exists(path):
            continue
        fd = buffered(path, os.O_RDONLY)
        for at in range(0, os.fstat(fd).st_size, BLOCK):
            if path.endswith(".own") and at // SMALL == highest % PLACES:
                continue
            block = read_at(fd, at, BLOCK)
            tag = int.from_bytes(block[:8], "little")
            if tag > highest or block != pattern(tag, at, len(block)):
                raise AssertionError(f"{path}: block {at // BLOCK} has tag {tag}, the highest was {highest}")
        os.close(fd)


# The journal is on the first disk; no checkpoint comes between, which flushes all disks.
@scenario(disks=("main", "volatile"), config="store: { checkpoint_seconds = 3600; };", fresh=True)
def test_cache(world):
    """the power of a disk with a volatile cache fails, and with it the server: what fsync and close promised is there"""
    a, b = world.clients
    seen = [device["volatile_cache"] for device in world.server.status()["volume"]["devices"]]
    same(seen[1], True, "the server sees the volatile cache of the second disk")
    world.note(f"volatile caches: {seen}")
    space = a.run(free_bytes, "/mnt")
    a.run(write_ranges, f"{world.dir}/old", OLD, [(0, 96 * MIB)])
    same(set(disks_of(world, f"{world.dir}/old")), {0, 1}, "disks of the file to be deleted")
    a.run(os.unlink, f"{world.dir}/old")
    space_back(world, space - 2 * MIB)
    power_cut(world)
    world.unfenced()


def power_cut(world):
    a, b = world.clients
    writers = [(client, f"{world.dir}/{name}{client.n}", opener, synced) for client, name, opener, synced in
               ((a, "direct", direct, True), (a, "closed", buffered, False), (b, "direct", direct, True), (b, "buffered", buffered, True))]
    stop = "/tmp/stop.promises"
    works = [client.start(make_promises, top, f"/dev/shm/{os.path.basename(top)}", stop, opener, synced)
             for client, top, opener, synced in writers]
    time.sleep(10)
    world.cache.freeze()
    cut = time.monotonic()
    world.server.down()
    world.cache.cut()
    put(stop, b"")
    world.log("cut")
    world.cache.mend()
    world.log("the disk is back")
    world.server.up()
    highest = [work.wait() for work in works]
    world.log("writers ended")
    world.drop_caches()
    kept = 0
    for (client, top, _, _), tag in zip(writers, highest):
        found = promises_before(f"/dev/shm/{os.path.basename(top)}", cut)
        kept += sum(len(places) for places in found.values())
        same(len(found) > 1, True, f"promises of {top}")
        (b if client is a else a).run(check_promises, found)
        client.run(check_no_stale, top, tag)
    world.note(f"{kept} promises kept; rounds: {highest}")
    same(world.server.status()["volume"]["read_only"], False, "read-only")
