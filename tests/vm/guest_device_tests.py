# SPDX-License-Identifier: Apache-2.0
"""Scenarios of volumes with several disks, of a client that lacks one, and of a full volume."""

import errno
import itertools
import mmap
import os
import time

from guest_lib import MIB, put, same
from guest_pattern import (BLOCK, buffered, check_ranges, clone, direct, make_empty, pattern, read_at, write_at,
                           write_ranges)
from guest_scenario import RESERVED, scenario
from guest_share_tests import PUNCH_HOLE, KEEP_SIZE, allocate_in, copy_range

SMALL = 256 << 10
PIECE = 16 * MIB  # A file changes its disk at multiples of this, on volumes as small as these.


def both(world, path, first, second):
    """Client a writes tag 1 to its ranges, b tag 2 to its own, at the same time; returns when both are done."""
    a, b = world.clients
    for work in [a.start(write_ranges, path, 1, first), b.start(write_ranges, path, 2, second)]:
        work.wait()


def disks_of(world, path):
    """On which disks of the volume the blocks of a file are, in the order of the file; by number."""
    runs = world.server.map(world.clients[0].run(os.stat, path).st_ino)
    return [int(run["address"].split(":")[0]) for run in runs if "address" in run]


def files_on_all(world, client, name, tag, opener, least=1):
    """Writes files of SMALL bytes until there are some on each disk: {disk: [path]}."""
    found = {disk: [] for disk in range(len(world.server.devices))}
    for number in range(100):
        path = f"{world.dir}/{name}{number}"
        client.run(write_ranges, path, tag, [(0, SMALL)], opener)
        disks = set(disks_of(world, path))
        same(len(disks), 1, f"disks of {path}")
        found[disks.pop()].append(path)
        if all(len(paths) >= least for paths in found.values()):
            return found
    raise AssertionError(f"files on each disk: {[len(paths) for paths in found.values()]}")


def check_all(world, client, paths, tag, opener=buffered):
    world.drop_caches()
    for path in paths:
        client.run(check_ranges, path, [(0, SMALL, (tag,))], SMALL, opener)


def registered(world, lacking=None):
    """Everybody is registered on each disk, but for the client that lacks one."""
    for device in world.server.devices:
        keys = set(world.all_keys())
        if lacking and device == world.disks[lacking.lacks][1]:
            keys.discard(world.client_keys[lacking])
        same(world.keys(device), keys, f"keys on {device}")
    same(world.server.status()["layouts"]["fences"], [], "fences")


def many(world):
    """Files on each disk, and one with pieces on all of them, that two clients write, read, clone and copy."""
    a, b = world.clients
    for client, other, opener in ((a, b, direct), (b, a, buffered)):
        before = [client.counters(), other.counters()]
        files = files_on_all(world, client, f"small{client.n}.", client.n, opener)
        world.note(f"small files of client {client.n} on each disk: {[len(paths) for paths in files.values()]}")
        paths = [path for paths in files.values() for path in paths]
        check_all(world, other, paths, client.n)
        world.cost(client, before[0], f"small files of client {client.n}")
        world.cost(other, before[1], "read by the other")
        for path in paths:
            world.on_disk(path, [(0, SMALL, (client.n,))])
    path, pieces = f"{world.dir}/big", 4 * len(world.server.devices)
    before = [a.counters(), b.counters()]
    a.run(make_empty, path)
    # Over each border of two pieces; the rest of them are holes.
    ranges = [[(i * PIECE - MIB // 2, MIB) for i in range(first, pieces, 2)] for first in (1, 2)]
    both(world, path, *ranges)
    size = (pieces - 1) * PIECE + MIB // 2
    wanted = [(at, length, (i + 1,)) for i in (0, 1) for at, length in ranges[i]]
    wanted += [(i * PIECE - 3 * MIB, MIB, (0,)) for i in range(1, pieces)]
    disks = [disk for disk, _ in itertools.groupby(disks_of(world, path))]
    world.note(f"disks of the big file: {disks}")
    same(len(set(disks)) > 1, True, "more than one disk of the big file")
    world.drop_caches()
    for client, opener in ((a, buffered), (b, direct)):
        client.run(check_ranges, path, wanted, size, opener)
    world.on_disk(path, wanted)
    for i, client in enumerate((a, b)):
        world.cost(client, before[i], f"big file, client {client.n}")
    changed(world, path, wanted, size)
    registered(world)


def changed(world, path, wanted, size):
    """A clone and a copy of a file on several disks; a hole over the border of two pieces."""
    a, b = world.clients
    b.run(clone, path, f"{world.dir}/clone")
    a.run(copy_range, path, f"{world.dir}/copy", 0, 0, size)
    before = [a.counters(), b.counters()]
    a.run(write_ranges, path, 7, [(PIECE - MIB, 2 * MIB)])
    b.run(write_ranges, f"{world.dir}/clone", 8, [(PIECE - 2 * MIB, MIB)], buffered)
    for i, client in enumerate((a, b)):
        world.cost(client, before[i], f"after clone and copy, client {client.n}")
    b.run(allocate_in, f"{world.dir}/copy", PUNCH_HOLE | KEEP_SIZE, PIECE - MIB, 2 * MIB)
    world.log("a hole is punched into the copy")
    world.drop_caches()
    for client, name, at, length, tag in ((b, "big", PIECE - MIB, 2 * MIB, 7), (a, "clone", PIECE - 2 * MIB, MIB, 8),
                                          (a, "copy", PIECE - MIB, 2 * MIB, 0)):
        new = [(at, length, (tag,))]
        rest = [(begin, end - begin, tags) for begin, end, tags in cut(wanted, at, at + length)]
        client.run(check_ranges, f"{world.dir}/{name}", new + rest, size)
        world.log(f"{name} read")
        world.on_disk(f"{world.dir}/{name}", new + rest)
        world.log(f"{name} looked at on the disks")


def cut(ranges, begin, end):
    """What of (offset, length, tags) is not within [begin, end), as (first, end, tags)."""
    for at, length, tags in ranges:
        for first, last in ((at, min(at + length, begin)), (max(at, end), at + length)):
            if first < last:
                yield first, last, tags


@scenario(disks=("second", "third"))
def test_two(world):
    """two disks: files on each, one on both, clones and copies, all by layouts"""
    many(world)


@scenario(disks=("main", "second", "third"))
def test_three(world):
    """three disks: files on each, one on several, clones and copies, all by layouts"""
    many(world)


@scenario(types=RESERVED, disks=("second", "third"), lacks="third")
def test_lacking(world):
    """a client without a path to one of two disks: by the server there, by layouts elsewhere, whoever shares the file"""
    a, b = world.clients
    before = b.counters()
    files = files_on_all(world, a, "a", 1, direct, 2)
    near, far = files.values()
    for paths, through in ((near, False), (far, True)):
        what = "there by the server" if through else "elsewhere by layouts"
        before = b.counters()
        check_all(world, b, paths, 1)
        for path in paths:
            b.run(write_ranges, path, 2, [(0, SMALL)], buffered if path == paths[0] else direct)
        spent = world.cost(b, before, what, through=None if through else 0, least_gets=1)
        same(spent["READ"] + spent["READ_PLUS"] > 0, through, "some READ")
        same(spent["WRITE"] > 0, through, "some WRITE")
        check_all(world, a, paths, 2)
        for path in paths:
            world.on_disk(path, [(0, SMALL, (2,))])
    before = a.counters()
    shared(world, far[0], near[0])
    world.cost(a, before, "the client with both disks")
    for client, few in ((a, True), (b, False)):
        said = [c for c in world.server.ask("clients")["clients"] if f"192.0.2.1{client.n}" in c["address"]]
        same(len(said), 1, f"clients at the address of client {client.n}")
        world.note(f"client {client.n} by the server: {said[0]['reads_by_server']} reads, {said[0]['writes_by_server']} writes,"
                   f" because: {said[0]['why_by_server']}")
        same(said[0]["writes_by_server"] == 0, few, f"no writes of client {client.n} by the server")
    registered(world, b)


def shared(world, *paths):
    """Both write the file, and read what the other wrote, while the one with both disks has it open and holds layouts."""
    a, b = world.clients
    size = 4 * MIB
    for path in paths:
        stripes = [[(i * SMALL, SMALL) for i in range(first, size // SMALL, 2)] for first in (0, 1)]
        both(world, path, *stripes)
        wanted = [(at, length, (i + 1,)) for i in (0, 1) for at, length in stripes[i]]
        world.drop_caches()
        for client in (a, b):
            client.run(check_ranges, path, wanted, size)
        both(world, path, [(0, size)], [(0, size)])
        world.drop_caches()
        for client in (a, b):
            client.run(check_ranges, path, [(0, size, (1, 2))], size)
        turns(world, path, size)
        world.on_disk(path, [(0, size, (6,))])


def holder(path, tags, size, go):
    """Writes the file with each tag but the last when it is its turn, and sees that of the other's turn between."""
    fd = direct(path)
    for turn, tag in enumerate(tags):
        wait_for(f"{go}.{turn}")
        data = read_at(fd, 0, size)
        if turn and data != pattern(tag - 1, 0, size):
            raise AssertionError(f"{path}: not the other's tag {tag - 1} in turn {turn}")
        write_at(fd, 0, pattern(tag, 0, size))
        os.fsync(fd)
        put(f"{go}.{turn}.done", b"")
    wait_for(f"{go}.end")
    os.close(fd)


def wait_for(path, limit=120):
    end = time.monotonic() + limit
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise AssertionError(f"{path} does not come")
        time.sleep(0.05)


def turns(world, path, size):
    """a keeps the file open, and its layout; b writes between."""
    a, b = world.clients
    go = f"/tmp/turn.{os.path.basename(path)}"
    work = a.start(holder, path, (3, 5), size, go)
    for turn in (0, 1):
        put(f"{go}.{turn}", b"")
        while not os.path.exists(f"{go}.{turn}.done") and not work.done():
            time.sleep(0.05)
        if work.done():
            break
        b.run(check_ranges, path, [(0, size, (3 + 2 * turn,))], size, direct)
        b.run(write_ranges, path, 4 + 2 * turn, [(0, size)])
    put(f"{go}.end", b"")
    work.wait()


def fill_direct(path, tag):
    """Appends until the volume is full: how many bytes were taken.  The last write may have been cut short."""
    fd = direct(path)
    done = 0
    with mmap.mmap(-1, MIB) as memory:
        try:
            while True:
                memory[:] = pattern(tag, done, MIB)
                taken = os.pwrite(fd, memory, done)
                done += taken
                if taken < MIB:
                    same(taken % BLOCK, 0, "bytes taken of the last write")
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise
    os.fsync(fd)
    os.close(fd)
    return done


def fill_buffered(path, tag, step=4 * MIB):
    """Appends, with fsync after each step, until the volume is full: (how many bytes fsync has promised, where it was told)."""
    fd = buffered(path)
    done, at = 0, "write"
    try:
        while True:
            at = "write"
            for offset in range(done, done + step, MIB):
                write_at(fd, offset, pattern(tag, offset, MIB))
            at = "fsync"
            os.fsync(fd)
            done += step
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
    try:
        os.close(fd)
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
    return done, at


def close_buffered(path, tag, size):
    """Writes and closes, without fsync: the error, or None."""
    fd = buffered(path)
    try:
        for offset in range(0, size, MIB):
            write_at(fd, offset, pattern(tag, offset, MIB))
    except OSError as e:
        os.close(fd)
        return e.errno
    try:
        os.close(fd)
    except OSError as e:
        return e.errno
    return None


def free_bytes(path):
    st = os.statvfs(path)
    return st.f_bavail * st.f_frsize


def space_back(world, wanted, limit=120):
    """Nothing is in limbo, and so many bytes are free for clients, too."""
    end = time.monotonic() + limit
    while True:
        volume = world.server.status()["volume"]
        free = world.clients[1].run(free_bytes, "/mnt")
        if not volume["limbo_bytes"] and not volume["orphans"] and free >= wanted:
            return free
        if time.monotonic() > end:
            raise AssertionError(f"after {limit} s: {free} bytes free, not {wanted}; {volume['limbo_bytes']} in limbo, "
                                 f"{volume['orphans']} orphans")
        time.sleep(0.5)


@scenario(disks=("small",))
def test_full(world):
    """ENOSPC for direct and buffered writers and nothing worse; overwriting, truncating, deleting work; space comes back"""
    a, b = world.clients
    kept = f"{world.dir}/kept"
    a.run(write_ranges, kept, 1, [(0, 8 * MIB)])
    space = a.run(free_bytes, "/mnt")
    works = [a.start(fill_direct, f"{world.dir}/direct", 2), b.start(fill_buffered, f"{world.dir}/buffered", 3)]
    one = works[0].wait(400)
    two, at = works[1].wait(400)
    world.note(f"{space >> 20} MiB were free: {one >> 20} direct and {two >> 20} buffered, told by {at}")
    same(one + two + 24 * MIB >= space, True, f"{one} and {two} bytes of {space} used")
    same(b.run(close_buffered, f"{world.dir}/close", 4, 16 * MIB), errno.ENOSPC, "error of write or close of a buffered file")
    world.drop_caches()
    b.run(check_ranges, f"{world.dir}/direct", [(0, one, (2,))])
    a.run(check_ranges, f"{world.dir}/buffered", [(0, two, (3,))])
    # What is there can be changed.
    before = [a.counters(), b.counters()]
    a.run(write_ranges, kept, 5, [(0, 4 * MIB)])
    b.run(write_ranges, kept, 6, [(4 * MIB, 4 * MIB)], buffered)
    world.drop_caches()
    for i, client in enumerate((a, b)):
        client.run(check_ranges, kept, [(0, 4 * MIB, (5,)), (4 * MIB, 4 * MIB, (6,))], 8 * MIB)
        world.cost(client, before[i], f"overwritten when full, client {client.n}")
    a.run(os.truncate, kept, 6 * MIB + 1000)
    b.run(os.truncate, kept, 7 * MIB)
    world.drop_caches()
    b.run(check_ranges, kept, [(0, 4 * MIB, (5,)), (4 * MIB, 2 * MIB, (6,)), (6 * MIB + 4096, MIB - 4096, (0,))], 7 * MIB)
    # Each deletes what the other wrote.
    b.run(os.unlink, f"{world.dir}/direct")
    a.run(os.unlink, f"{world.dir}/buffered")
    b.run(os.unlink, f"{world.dir}/close")
    free = space_back(world, space - 8 * MIB)
    world.note(f"{free >> 20} MiB are free again")
    before = [a.counters(), b.counters()]
    works = [client.start(write_ranges, f"{world.dir}/again{client.n}", client.n, [(0, free // 4 // MIB * MIB)]) for client in (a, b)]
    for work in works:
        work.wait()
    world.drop_caches()
    for i, client in enumerate((a, b)):
        world.cost(client, before[i], f"written again, client {client.n}", least_gets=1)
        client.run(check_ranges, f"{world.dir}/again{3 - client.n}", [(0, free // 4 // MIB * MIB, (3 - client.n,))])
    for client in (a, b):
        client.run(os.unlink, f"{world.dir}/again{client.n}")
    space_back(world, space - 8 * MIB)
    world.unfenced()
