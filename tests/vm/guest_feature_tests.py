# SPDX-License-Identifier: Apache-2.0
"""Scenarios of single files with layouts: which I/O goes to the disk and which through the server; big files, files of
many pieces, many small files.
"""

import mmap
import os
import time

from guest_lib import MIB, noise, put, same
from guest_pattern import (BLOCK, buffered, check_bytes, check_ranges, clone, direct, fallocate, first_wrong, pattern, read_at,
                           write_ranges)
from guest_scenario import scenario

GIB = 1 << 30
PUNCH_HOLE_KEEP_SIZE = 3


def write_mapped(path, data):
    """Through a shared mapping of the file, which is there and large enough."""
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[: len(data)] = data
        memory.flush()


def check_mapped(path, wanted):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        same(memory[:] == wanted, True, "what a mapping shows is right")


def append(path, pieces):
    """Each with an open and a close of its own."""
    for piece in pieces:
        with open(path, "ab") as file:
            file.write(piece)


def write_unaligned(path, tag_data, places):
    """Direct I/O of odd offsets and lengths."""
    fd = direct(path)
    for offset, length in places:
        same(os.pwrite(fd, tag_data[offset : offset + length], offset), length, "bytes written")
    os.close(fd)


def check_unaligned(path, data, places):
    fd = direct(path, os.O_RDONLY)
    for offset, length in places:
        same(read_at(fd, offset, length) == data[offset : offset + length], True, f"data at {offset}, {length}")
    os.close(fd)


def allocate(path, size):
    fd = buffered(path)
    fallocate(fd, 0, 0, size)
    os.close(fd)


def punch(path, offset, length):
    fd = buffered(path)
    fallocate(fd, PUNCH_HOLE_KEEP_SIZE, offset, length)
    os.close(fd)


def truncate(path, size):
    """Opened for it: by name alone, a client that has not heard of another's change takes the size for what it is to be."""
    with open(path, "r+b") as file:
        file.truncate(size)


def data_ranges(path, size):
    """What SEEK_DATA and SEEK_HOLE say, as [(offset, length)]."""
    fd = os.open(path, os.O_RDONLY)
    found, at = [], 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        found.append((begin, at - begin))
    os.close(fd)
    return found


class Paths:
    """A writes, b reads after that; neither of them by way of the server if it is not said."""

    def __init__(self, world):
        self.world = world

    def path(self, name):
        return f"{self.world.dir}/{name}"

    def write(self, what, function, *args, through=0):
        a, _ = self.world.clients
        before = a.counters()
        a.run(function, *args)
        return self.world.cost(a, before, what, through=through)

    def read(self, what, function, *args, through=0):
        _, b = self.world.clients
        self.world.drop_caches()
        before = b.counters()
        b.run(function, *args)
        return self.world.cost(b, before, f"{what}, read", through=through)


@scenario(smoke=True)
def test_paths(world):
    """odd sizes, append, mmap, sparse, allocated, punched, truncated, cloned: to the disk; unaligned direct I/O: the server"""
    paths = Paths(world)
    odd(paths)
    allocated(paths)
    unaligned(paths)
    world.unfenced()


def odd(paths):
    data = noise(700001)
    path = paths.path("odd")
    paths.write("an odd size", put, path, data)
    paths.read("an odd size", check_bytes, path, data)
    pieces = [noise(1000, i) for i in range(20)]
    paths.write("20 appends", append, path, pieces)
    paths.read("20 appends", check_bytes, path, data + b"".join(pieces))
    path = paths.path("mapped")
    paths.world.clients[0].run(put, path, bytes(2 * MIB))
    data = noise(MIB + 100, 2)
    paths.write("a mapping", write_mapped, path, data)
    paths.read("a mapping", check_mapped, path, data + bytes(MIB - 100))


def allocated(paths):
    path = paths.path("allocated")
    a, b = paths.world.clients
    a.run(allocate, path, 8 * MIB)
    paths.write("into allocated space", write_ranges, path, 1, [(MIB, MIB), (5 * MIB, MIB)])
    wanted = [(0, MIB, (0,)), (MIB, MIB, (1,)), (2 * MIB, 3 * MIB, (0,)), (5 * MIB, MIB, (1,)), (6 * MIB, 2 * MIB, (0,))]
    paths.read("allocated space", check_ranges, path, wanted, 8 * MIB)
    b.run(punch, path, MIB, 2 * MIB)
    paths.write("into a hole", write_ranges, path, 2, [(2 * MIB, MIB)])
    b.run(os.truncate, path, 5 * MIB + 5000)
    a.run(os.truncate, path, 9 * MIB)
    paths.write("after truncating", write_ranges, path, 3, [(8 * MIB, MIB)], buffered)
    wanted = [(0, 2 * MIB, (0,)), (2 * MIB, MIB, (2,)), (3 * MIB, 2 * MIB, (0,)), (5 * MIB, BLOCK, (1,)),
              (5 * MIB + 2 * BLOCK, 3 * MIB - 2 * BLOCK, (0,)), (8 * MIB, MIB, (3,))]
    paths.read("holes", check_ranges, path, wanted, 9 * MIB, direct)
    paths.world.on_disk(path, wanted)
    a.run(clone, path, paths.path("clone"))
    paths.write("into a clone", write_ranges, paths.path("clone"), 4, [(2 * MIB, 64 << 10)])
    paths.read("a clone", check_ranges, paths.path("clone"), [(2 * MIB, 64 << 10, (4,)), (8 * MIB, MIB, (3,))])
    paths.read("what was cloned", check_ranges, path, wanted, 9 * MIB)


def unaligned(paths):
    """Linux sends a direct write to the disk only in whole pages, a direct read in whole sectors."""
    path = paths.path("unaligned")
    data = noise(MIB)
    paths.world.clients[0].run(put, path, bytes(MIB))
    places = [(333, 777), (5000, 4096), (12288, 100), (200001, 30000)]
    paths.write("4 unaligned direct writes", write_unaligned, path, data, places, through=len(places))
    wanted = bytearray(MIB)
    for offset, length in places:
        wanted[offset : offset + length] = data[offset : offset + length]
    paths.read("their bytes", check_bytes, path, bytes(wanted))
    paths.read("4 unaligned direct reads", check_unaligned, path, bytes(wanted), places, through=len(places))
    paths.read("direct reads of sectors", check_unaligned, path, bytes(wanted), [(512, 1024), (4608, 65536)])


@scenario()
def test_big(world):
    """a sparse file of 8 GiB with data in many places, also across 4 GiB; SEEK finds just that; cut at 4 GiB and grown again"""
    a, b = world.clients
    path, size, piece = f"{world.dir}/file", 8 * GIB, 16 * BLOCK
    places = sorted({0, 4 * GIB - piece // 2, 4 * GIB + piece, size - piece} | {i * (size // 31) // piece * piece for i in range(1, 31)})
    mine = [(at, piece) for at in places]
    before = [a.counters(), b.counters()]
    a.run(write_ranges, path, 1, mine[::2])
    b.run(write_ranges, path, 2, mine[1::2], buffered)
    for client, counters in zip((a, b), before):
        world.cost(client, counters, f"client {client.n} wrote")
    tags = {place: 1 + i % 2 for i, place in enumerate(mine)}
    wanted = [(at, length, (tag,)) for (at, length), tag in tags.items()]
    wanted += [(at + piece, 4 * BLOCK, (0,)) for at, length in mine[:-1]]
    wanted += [(at - 4 * BLOCK, 4 * BLOCK, (0,)) for at, length in mine[1:]]

    def check(wanted, size):
        for client, opener in ((a, buffered), (b, direct)):
            world.drop_caches()
            counters = client.counters()
            client.run(check_ranges, path, wanted, size, opener)
            world.cost(client, counters, f"client {client.n} read")
        world.on_disk(path, wanted)

    check(wanted, size)
    found = a.run(data_ranges, path, size)
    world.note(f"{len(mine)} places, SEEK_DATA finds {len(found)}")
    # Space that the client asked for and did not write may be zeros, and data.
    same([at for at, _ in found], places, "what SEEK_DATA finds")
    same([n for _, n in found if not piece <= n <= 2 * piece], [], "lengths that SEEK_HOLE finds")
    cut = 4 * GIB + BLOCK
    a.run(truncate, path, cut)
    b.run(truncate, path, size)
    check([(at, length, tag if at + length <= cut else (0,)) for at, length, tag in wanted if not at < cut < at + length], size)
    world.unfenced()


PIECES = 600


def check_every_other(path, tag, opener):
    """The first block of each two has the tag, the other one was never written; in large reads."""
    fd = opener(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    for offset in range(0, size, MIB):
        data = read_at(fd, offset, min(MIB, size - offset))
        for at in range(0, len(data), BLOCK):
            why = first_wrong(data[at : at + BLOCK], offset + at, (0 if at // BLOCK % 2 else tag,))
            if why:
                raise AssertionError(f"{path}: {why}")
    os.close(fd)
    return size


@scenario()
def test_pieces(world):
    """files with every other block: nothing of what many LAYOUTGETs gave is lost where one LAYOUTCOMMIT can't name it all"""
    a, b = world.clients
    every_other = [(2 * i * BLOCK, BLOCK) for i in range(PIECES)]
    for name, before, opener in (("scattered", None, buffered), ("allocated", allocate, direct)):
        path = f"{world.dir}/{name}"
        if before:
            a.run(before, path, 2 * PIECES * BLOCK)
        counters = a.counters()
        started = time.monotonic()
        a.run(write_ranges, path, 1, every_other, opener)
        world.cost(a, counters, f"{name}: {PIECES} blocks in {time.monotonic() - started:.1f} s", through=None)
        for client, look in ((a, buffered), (b, direct), (b, buffered)):
            world.drop_caches()
            size = client.run(check_every_other, path, 1, look)
            same(size // BLOCK, 2 * PIECES - (0 if before else 1), "blocks of the file")
        world.on_disk(path, [(at, length, (1,)) for at, length in every_other[:300:10]])
    world.unfenced()


FILES = 150


def make_small(path, first, nr):
    """nr files of 0 to 9 KiB."""
    for i in range(first, first + nr):
        with open(f"{path}/{i}", "xb") as file:
            file.write(small(i))


def small(i):
    return pattern(i + 1, 0, 3 * BLOCK)[: i * 331 % 9000]


def check_small(path, first, nr):
    for i in range(first, first + nr):
        with open(f"{path}/{i}", "rb") as file:
            same(file.read() == small(i), True, f"file {i} is as written")


def unlink_small(path, first, nr):
    for i in range(first, first + nr):
        os.unlink(f"{path}/{i}")


@scenario()
def test_small(world):
    """many small files of both clients at the same time: create, write, close; read and unlinked by the other"""
    a, b = world.clients
    path = f"{world.dir}/files"
    a.run(os.mkdir, path)
    for what, function, who in (("made", make_small, (a, b)), ("read by the other", check_small, (b, a)),
                                ("unlinked by the other", unlink_small, (b, a))):
        world.drop_caches()
        before = [client.counters() for client in (a, b)]
        started = time.monotonic()
        works = [client.start(function, path, i * FILES, FILES) for i, client in enumerate(who)]
        for work in works:
            work.wait(600)
        took = time.monotonic() - started
        for client, counters in zip((a, b), before):
            world.cost(client, counters, f"{FILES} files {what} in {took:.1f} s, client {client.n}")
    same(a.run(os.listdir, path), [], "names left")
    world.unfenced()
