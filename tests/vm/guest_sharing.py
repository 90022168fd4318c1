# SPDX-License-Identifier: Apache-2.0
"""Scenarios of one file that several clients write at once.  With knfsd as server they say what happens, and pass."""

import multiprocessing
import os
import time

from guest_lib import MIB
from guest_pattern import check_ranges, direct, make_empty, pattern, write_at, write_ranges
from guest_scenario import scenario
from guest_trace import Recalls


def shares(clients, size):
    """For each way to share a file of this size, the ranges of each client."""
    part = size // clients
    return {
        "parts": [[(i * part, part)] for i in range(clients)],
        "stripes": [[(at, MIB) for at in range(i * MIB, size, clients * MIB)] for i in range(clients)],
        "the same": [[(0, part)] for i in range(clients)],
    }


class Sharing:
    """The clients of the world at one file, and what it cost them."""

    def __init__(self, world):
        self.world = world
        self.recalls = Recalls()
        self.before, self.conflicts = [], 0
        # Knfsd fences clients that do nothing wrong, so what comes of it is told only.
        self.strict = world.server.never_fences

    def begin(self):
        self.recalls.count()
        self.conflicts = self.world.server.recalls()
        self.before = [client.counters() for client in self.world.clients]

    def say(self, what):
        self.world.note(what)
        if self.strict:
            raise AssertionError(what)

    def done(self, what, works):
        """When all are done, or have failed."""
        started = time.monotonic()
        failures = [(n + 1, work.failure()) for n, work in enumerate(works)]
        seconds = time.monotonic() - started
        for n, why in failures:
            if why:
                self.say(f"{what}, client {n}: {why}")
        return seconds

    def end(self, what, most_gets=None, most_recalls=None):
        """Nobody went through the server, each sent at most so many LAYOUTGETs, and so many layouts were recalled."""
        limits = {"through": 0, "most_gets": most_gets} if self.strict else {"through": None}
        for client, before in zip(self.world.clients, self.before):
            self.world.cost(client, before, f"{what}, client {client.n}", **limits)
        asked, recalled = self.recalls.count(), self.world.server.recalls() - self.conflicts
        self.world.note(f"{what}: " + (f"{recalled} layouts recalled, " if self.strict else "") + f"{asked} CB_LAYOUTRECALL")
        if self.strict and most_recalls is not None and recalled > most_recalls:
            self.say(f"{what}: {recalled} layouts recalled, more than {most_recalls}")

    def check(self, what, path, wanted, size):
        """All clients see this in the file, and nobody is fenced."""
        self.world.drop_caches()
        works = [(client, client.start(check_ranges, path, wanted, size)) for client in self.world.clients]
        for client, work in works:
            why = work.failure()
            if why:
                self.say(f"{what}, read by client {client.n}: {why}")
        if self.strict:
            self.world.unfenced()
        else:
            keys = self.world.keys()
            gone = [f"client {client.n}" for client, key in self.world.client_keys.items() if key not in keys]
            self.world.note(f"{what}: fenced so far: {', '.join(gone) or 'nobody'}")


def write_in_step(path, tag, ranges, steps):
    """As write_ranges(), but all have the file open before anybody writes and, by steps, have written 1 MiB before more."""
    fd = direct(path)
    pieces = [(at, MIB) for begin, length in ranges for at in range(begin, begin + length, MIB)]
    for i, (at, length) in enumerate(pieces):
        if i < len(steps):
            steps[i].wait(100)
        write_at(fd, at, pattern(tag, at, length))
    os.fsync(fd)
    os.close(fd)


# How many LAYOUTGETs of 1 MiB each of these clients needs for its part, and how many layouts are recalled.  Parts: 1 MiB,
# then ahead twice what it has; stripes: each its own.  Twice that with block layouts, of which old kernels get less at a time.
# Nobody is in anybody's way once all are known to the server.  The same: one grant of a piece after the other; how often
# who waits for it tries again is a matter of time.
def most(name, ranges, kind):
    size = sum(length for _, length in ranges[0]) // MIB
    if name == "the same":
        return None, 2 * size * len(ranges)
    gets = size
    if name == "parts":
        have, gets = 1, 1
        while have < size:
            have, gets = 3 * have, gets + 1
    return gets * (2 if kind == "block" else 1) + 1, 0


def writers(world, size):
    """Each client writes its part of a file in pieces of 1 MiB, tag 1 the first one and so on, all at the same time."""
    sharing = Sharing(world)
    for name, ranges in shares(len(world.clients), size).items():
        path = f"{world.dir}/{name}"
        world.clients[0].run(make_empty, path)
        sharing.begin()
        steps = [multiprocessing.Barrier(len(ranges)) for _ in range(1 if name == "the same" else 2)]
        works = [client.start(write_in_step, path, n + 1, ranges[n], steps) for n, client in enumerate(world.clients)]
        seconds = sharing.done(name, works)
        world.note(f"{name}: {seconds:.1f} s")
        sharing.end(name, *most(name, ranges, world.kind))
        wanted = [(at, length, (n + 1,)) for n, part in enumerate(ranges) for at, length in part]
        if name == "the same":
            wanted = [(*ranges[0][0], tuple(range(1, len(ranges) + 1)))]
        sharing.check(name, path, wanted, max(at + length for at, length, _ in wanted))
    return sharing


def overwrite_for(path, tags, size, chunk):
    """The whole file again for each tag, in order, without a word to anybody."""
    fd = direct(path)
    for tag in tags:
        for offset in range(0, size, chunk):
            write_at(fd, offset, pattern(tag, offset, chunk))
    os.fsync(fd)
    os.close(fd)


def readers_beside_writer(world, sharing):
    """The others read again and again what the first client writes: whole blocks, and what is closed is seen by all."""
    writer, *readers = world.clients
    path, size = f"{world.dir}/watched", 8 * MIB
    writer.run(write_ranges, path, 1, [(0, size)])
    sharing.begin()
    work = writer.start(overwrite_for, path, (2, 3, 4), size, MIB)
    looks = 0
    while not work.done():
        looking = [reader.start(check_ranges, path, [(0, size, (1, 2, 3, 4))], size, direct) for reader in readers]
        sharing.done("a reader beside the writer", looking)
        looks += 1
    sharing.done("the writer", [work])
    world.note(f"readers looked {looks} times")
    sharing.end("watched")
    sharing.check("watched", path, [(0, size, (4,))], size)


@scenario(smoke=True, servers=("lamina", "knfsd"))
def test_sharing(world):
    """two writers of one file: halves, stripes, the same ranges; a reader beside a writer: no fence, no error"""
    world.may_complain = not world.server.never_fences
    readers_beside_writer(world, writers(world, 32 * MIB))


@scenario(clients=4, servers=("lamina", "knfsd"))
def test_sharing4(world):
    """the same with four clients"""
    world.may_complain = not world.server.never_fences
    readers_beside_writer(world, writers(world, 32 * MIB))
