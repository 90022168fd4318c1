# SPDX-License-Identifier: Apache-2.0
"""Scenarios of layouts with two kernel clients a and b; what the world offers them is in guest_world.py."""

import os
import time

from guest_lib import MIB, noise, put, same
from guest_pattern import (buffered, check_bytes, check_ranges, clone, direct, fallocate, make_empty, pattern,
                           read_at, write_at, write_ranges)
from guest_scenario import scenario

KEEP_SIZE, PUNCH_HOLE = 1, 2


@scenario(smoke=True)
def test_basic(world):
    """direct and buffered writes and reads by layouts alone, seen by the other client; few LAYOUTGETs"""
    a, b = world.clients
    if world.reserved:
        world.same_keys("keys on the disk")
    path = f"{world.dir}/direct"
    before = a.counters()
    a.run(write_ranges, path, 1, [(0, 64 * MIB)])
    world.cost(a, before, "64 MiB direct write", most_gets=2, least_gets=1)
    world.drop_caches()
    before = b.counters()
    b.run(check_ranges, path, [(0, 64 * MIB, (1,))], 64 * MIB, direct)
    world.cost(b, before, "read by the other", least_gets=1)
    world.on_disk(path, [(0, 64 * MIB, (1,))])
    path = f"{world.dir}/buffered"
    before = b.counters()
    b.run(write_ranges, path, 2, [(0, 32 * MIB)], buffered)
    world.cost(b, before, "32 MiB buffered write", least_gets=1)
    world.drop_caches()
    before = a.counters()
    a.run(check_ranges, path, [(0, 32 * MIB, (2,))], 32 * MIB)
    world.cost(a, before, "read by the other", least_gets=1)
    world.on_disk(path, [(0, 32 * MIB, (2,))])
    # An end within a page, and a hole in front.
    data = noise(100001)
    a.run(put, f"{world.dir}/odd", data)
    b.run(check_bytes, f"{world.dir}/odd", data)
    a.run(write_ranges, f"{world.dir}/hole", 3, [(3 * MIB, MIB)])
    b.run(check_ranges, f"{world.dir}/hole", [(0, 3 * MIB, (0,)), (3 * MIB, MIB, (3,))], 4 * MIB)
    world.unfenced()


class Model:
    """What a file's bytes must be, changed along with the file."""

    def __init__(self):
        self.data = bytearray()

    def write(self, offset, data):
        self.resize(max(len(self.data), offset + len(data)))
        self.data[offset : offset + len(data)] = data

    def resize(self, size):
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))

    def punch(self, offset, length):
        end = min(offset + length, len(self.data))
        self.data[offset:end] = bytes(max(end - offset, 0))


def allocate_in(path, mode, offset, length):
    fd = os.open(path, os.O_RDWR)
    fallocate(fd, mode, offset, length)
    os.close(fd)


def copy_range(source, target, offset, at, length):
    a, b = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT, 0o644)
    done = 0
    while done < length:
        n = os.copy_file_range(a, b, length - done, offset + done, at + done)
        if n <= 0:
            raise AssertionError(f"copy_file_range ended after {done} of {length} bytes")
        done += n
    os.close(a)
    os.close(b)


def write_direct(path, tag, offset, length):
    write_ranges(path, tag, [(offset, length)], direct, 256 << 10)


@scenario()
def test_changes(world):
    """truncate, punch, allocate, clone, copy by one client while the other has a layout; rename, unlink of open files"""
    a, b = world.clients
    path, model = f"{world.dir}/file", Model()

    def agreed(what):
        world.drop_caches()
        works = [client.start(check_bytes, path, bytes(model.data)) for client in (a, b)]
        for client, failure in [(client, work.failure()) for client, work in zip((a, b), works)]:
            if failure:
                raise AssertionError(f"after {what}, client {client.n}: {failure}")

    def write(client, tag, offset, length):
        client.run(write_direct, path, tag, offset, length)
        model.write(offset, pattern(tag, offset, length))

    write(a, 1, 0, 4 * MIB)
    agreed("the first write")
    for client, size in ((b, 3 * MIB + 100), (a, 2 * MIB), (b, 5 * MIB + 7), (a, MIB + 4096)):
        client.run(os.truncate, path, size)
        model.resize(size)
        agreed(f"truncate to {size}")
        other = b if client is a else a
        write(other, 2 + size % 5, 512 << 10, MIB)
        agreed(f"a write after truncate to {size}")
    write(a, 3, 0, 6 * MIB)
    for client, offset, length in ((b, MIB, MIB), (a, 3 * MIB + 1000, 200000), (b, 4096, 100), (a, 5 * MIB, 9 * MIB)):
        client.run(allocate_in, path, PUNCH_HOLE | KEEP_SIZE, offset, length)
        model.punch(offset, length)
        agreed(f"a hole at {offset}, {length}")
    write(b, 4, MIB + 65536, 65536)
    agreed("a write into the hole")
    b.run(allocate_in, path, 0, 5 * MIB, 3 * MIB)
    model.resize(8 * MIB)
    agreed("allocate")
    write(a, 5, 7 * MIB, 512 << 10)
    agreed("a write into allocated space")
    copies(world, path, model, write, agreed)
    names(world)
    world.unfenced()


def copies(world, path, model, write, agreed):
    """A clone and a copy share blocks with the file, whose layouts are out: neither may see what is written to another."""
    a, b = world.clients
    size = len(model.data)
    old = bytes(model.data)
    b.run(clone, path, f"{world.dir}/clone")
    write(a, 6, 0, MIB)
    agreed("a write to what was cloned")
    a.run(check_bytes, f"{world.dir}/clone", old)
    b.run(write_direct, f"{world.dir}/clone", 7, 2 * MIB, MIB)
    agreed("a write to the clone")
    wanted = old[: 2 * MIB] + pattern(7, 2 * MIB, MIB) + old[3 * MIB :]
    world.drop_caches()
    a.run(check_bytes, f"{world.dir}/clone", wanted)
    a.run(copy_range, path, f"{world.dir}/copy", 4096, 100, size - 4096)
    wanted = bytes(100) + bytes(model.data[4096:])
    b.run(check_bytes, f"{world.dir}/copy", wanted)
    write(b, 8, 5 * MIB, MIB)
    world.drop_caches()
    a.run(check_bytes, f"{world.dir}/copy", wanted)
    agreed("a write to what was copied")


def write_when(path, go, tag, size, gone):
    """Writes half with a layout, waits until go exists, writes the rest; a file that is gone is read back here."""
    fd = direct(path)
    half = size // 2
    for offset in range(0, size, MIB):
        if offset == half:
            put(f"{go}.ready", b"")
            while not os.path.exists(go):
                time.sleep(0.05)
        write_at(fd, offset, pattern(tag, offset, MIB))
    os.fsync(fd)
    if gone:
        same(os.fstat(fd).st_nlink, 0, "links")
        for offset in range(0, size, MIB):
            same(read_at(fd, offset, MIB) == pattern(tag, offset, MIB), True, f"data at {offset}")
    os.close(fd)


def names(world):
    """A file that is written changes its name, or loses it, at the other client's wish."""
    a, b = world.clients
    size = 4 * MIB
    for gone in (False, True):
        path, go = f"{world.dir}/open{gone}", f"/tmp/go{gone}"
        writer = a.start(write_when, path, go, 9, size, gone)
        while not os.path.exists(f"{go}.ready") and not writer.done():
            time.sleep(0.05)
        if gone:
            b.run(os.unlink, path)
        else:
            b.run(os.rename, path, path + ".new")
        put(go, b"")
        writer.wait()
        if not gone:
            world.drop_caches()
            b.run(check_ranges, path + ".new", [(0, size, (9,))], size)
        same(b.run(os.path.exists, path), False, "the old name is there")
    orphans_gone(world)


def orphans_gone(world, limit=60):
    end = time.monotonic() + limit
    while world.server.status()["volume"]["orphans"]:
        if time.monotonic() > end:
            raise AssertionError(f"{world.server.status()['volume']['orphans']} orphans after {limit} s")
        time.sleep(0.5)


@scenario()
def test_umount(world):
    """unmounted clients leave no key, no layout and no orphan, and mount again"""
    a, b = world.clients
    for tag, client in ((1, a), (2, b)):
        client.run(write_ranges, f"{world.dir}/{tag}", tag, [(0, 2 * MIB)])
    for client in (a, b):
        world.umount(client)
        world.same_keys("keys after umount")
    same(world.server.status()["layouts"]["now"], 0, "layouts")
    orphans_gone(world)
    world.mount()
    world.drop_caches()
    for tag, client in ((1, b), (2, a)):
        client.run(check_ranges, f"{world.dir}/{tag}", [(0, 2 * MIB, (tag,))], 2 * MIB)
    world.unfenced()


@scenario(version="4.1", disks=("older",))
def test_umount41(world):
    """the same with NFSv4.1"""
    test_umount(world)
