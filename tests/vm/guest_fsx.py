# SPDX-License-Identifier: Apache-2.0
"""Random operations on files, and what their bytes must be then: all from a seed.

A file is seen by several paths, one for each client.  As programs of several hosts that share files must, every operation
on the first file is done under a lock, with descriptors that are open all the time; on the second one between open and
close.  (Not both on one: as long as a client has a file open for writing, Linux takes changes that it did not make for
its own, and looks at its old pages, unless it takes a lock.)
"""

import fcntl
import mmap
import os
import random
import struct

from guest_lib import drop_caches
from guest_pattern import BLOCK, fallocate, read_at, write_at

SIZE = 192 * BLOCK
LONGEST = 40 * BLOCK
FICLONERANGE = 0x4020940D
LAST = 8


class Bytes:
    """What a file must hold."""

    def __init__(self):
        self.data = bytearray()

    def resize(self, size):
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))

    def write(self, offset, data):
        self.resize(max(len(self.data), offset + len(data)))
        self.data[offset : offset + len(data)] = data

    def zero(self, offset, length):
        end = min(offset + length, len(self.data))
        self.data[offset:end] = bytes(max(end - offset, 0))


class Fsx:
    """Files below each of the directories, which are the same one through different clients."""

    def __init__(self, dirs, seed, names=("one", "two"), workers=None):
        """workers: the numbers of the directories by which files are changed; None: all, by turns."""
        self.dirs, self.names = dirs, names
        self.workers = workers or range(len(dirs))
        self.who = 0
        self.chance = random.Random(seed)
        self.files = {name: Bytes() for name in names}
        self.log = []
        self.number = 0
        for name in names:
            os.close(os.open(f"{dirs[0]}/{name}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))
        self.held = [os.open(f"{path}/{names[0]}", os.O_RDWR) for path in dirs]
        self.kinds = [getattr(self, f"do_{kind}") for kind in
                      ("write", "write", "write_direct", "write_direct", "write_mapped", "append", "read", "read_direct",
                       "read_mapped", "truncate", "punch", "allocate", "clone", "copy")]

    # Where

    def range(self, unit=1, most=SIZE):
        """An offset and a length in whole units, often near blocks' ends."""
        length = self.chance.choice((1, 100, BLOCK - 1, BLOCK, 3 * BLOCK, LONGEST))
        length = max(self.chance.randint(1, length) // unit, 1) * unit
        offset = self.chance.randint(0, max(most - length, 0))
        if self.chance.random() < 0.4:
            offset = offset // BLOCK * BLOCK
        return offset // unit * unit, length

    def noise(self, length):
        return self.chance.randbytes(length)

    # How the file is opened, and by whom

    def at(self, name, flags, work):
        """work(descriptor) of a client that was chosen."""
        self.who = self.chance.choice(self.workers)
        self.say(f"by {self.who + 1}")
        return self.guarded(name, flags, work)

    def guarded(self, name, flags, work):
        """By client who, under a lock or between open and close."""
        held = self.held[self.who] if name == self.names[0] else None
        if held:
            fcntl.lockf(held, fcntl.LOCK_EX)
        fd = held if held and not flags else os.open(f"{self.dirs[self.who]}/{name}", os.O_RDWR | flags)
        try:
            return work(fd)
        finally:
            if fd != held:
                os.close(fd)
            if held:
                os.fsync(held)
                fcntl.lockf(held, fcntl.LOCK_UN)

    def say(self, text):
        self.log[-1] += f" {text}"

    def check(self, name, got, offset, what):
        wanted = bytes(self.files[name].data[offset : offset + len(got)])
        if len(got) != len(wanted):
            raise AssertionError(f"{what}: {len(got)} bytes at {offset}, not {len(wanted)}")
        if got == wanted:
            return
        at = next(i for i in range(len(got)) if got[i] != wanted[i])
        until = next((i for i in range(at, len(got)) if got[i : i + 16] == wanted[i : i + 16]), len(got))
        raise AssertionError(f"{what}: wrong from {offset + at} to about {offset + until}: {got[at:at+8].hex()}, not {wanted[at:at+8].hex()}")

    # What is done

    def do_write(self, name, unit=1, flags=0):
        offset, length = self.range(unit)
        data = self.noise(length)
        self.say(f"{offset} +{length}")
        self.at(name, flags, lambda fd: write_at(fd, offset, data))
        self.files[name].write(offset, data)

    def do_write_direct(self, name):
        self.do_write(name, self.chance.choice((BLOCK, BLOCK, BLOCK, 512, 1)), os.O_DIRECT)

    def do_append(self, name):
        data = self.noise(self.chance.randint(1, 2 * BLOCK))
        offset = len(self.files[name].data)
        if offset + len(data) > SIZE:
            return
        self.say(f"{offset} +{len(data)}")
        self.at(name, os.O_APPEND, lambda fd: write_at(fd, offset, data))
        self.files[name].write(offset, data)

    def do_write_mapped(self, name):
        size = len(self.files[name].data)
        if size == 0:
            return
        offset, length = self.range(most=size)
        data = self.noise(min(length, size - offset))
        self.say(f"{offset} +{len(data)}")

        def work(fd):
            with mmap.mmap(fd, size) as memory:
                memory[offset : offset + len(data)] = data
                memory.flush()

        self.at(name, 0, work)
        self.files[name].write(offset, data)

    def do_read(self, name, unit=1, flags=0):
        offset, length = self.range(unit)
        self.say(f"{offset} +{length}")
        got = self.at(name, flags, lambda fd: read_at(fd, offset, length))
        wanted = max(min(length, len(self.files[name].data) - offset), 0)
        if len(got) != wanted:
            raise AssertionError(f"read {len(got)} bytes, not {wanted}")
        self.check(name, got, offset, "read")

    def do_read_direct(self, name):
        # Not of sectors: Linux takes a page that lies across two extents from the first one (docs/clients.md).
        self.do_read(name, self.chance.choice((BLOCK, BLOCK, 1)), os.O_DIRECT)

    def do_read_mapped(self, name):
        size = len(self.files[name].data)
        if size == 0:
            return

        def work(fd):
            with mmap.mmap(fd, size, prot=mmap.PROT_READ) as memory:
                return memory[:]

        self.check(name, self.at(name, 0, work), 0, "a mapping")

    def do_truncate(self, name):
        size = self.chance.choice((self.chance.randint(0, SIZE), self.chance.randint(0, SIZE) // BLOCK * BLOCK))
        self.say(f"to {size}")
        self.at(name, 0, lambda fd: os.ftruncate(fd, size))
        self.files[name].resize(size)

    def do_punch(self, name):
        offset, length = self.range()
        self.say(f"{offset} +{length}")
        self.at(name, 0, lambda fd: fallocate(fd, 3, offset, length))
        self.files[name].zero(offset, length)

    def do_allocate(self, name):
        offset, length = self.range()
        self.say(f"{offset} +{length}")
        self.at(name, 0, lambda fd: fallocate(fd, 0, offset, length))
        self.files[name].resize(max(len(self.files[name].data), offset + length))

    def from_other(self, name, unit, copy):
        """copy(source, target, begin, length, offset) of a range of the other file, both opened by one client."""
        other = self.names[1 - self.names.index(name)]
        source = self.files[other].data
        most = len(source) // unit * unit
        if not most:
            return
        begin, length = self.range(unit, most)
        length = min(length, most - begin)
        offset = self.range(unit)[0]
        self.say(f"from {begin} +{length} to {offset}")

        def work(fd):
            with open(f"{self.dirs[self.who]}/{other}", "rb") as file:
                copy(file.fileno(), fd, begin, length, offset)

        self.at(name, 0, work)
        self.files[name].write(offset, bytes(source[begin : begin + length]))

    def do_clone(self, name):
        def clone(source, target, begin, length, offset):
            fcntl.ioctl(target, FICLONERANGE, struct.pack("<qQQQ", source, begin, length, offset))

        self.from_other(name, BLOCK, clone)

    def do_copy(self, name):
        def copy(source, target, begin, length, offset):
            done = 0
            while done < length:
                n = os.copy_file_range(source, target, length - done, begin + done, offset + done)
                if n == 0:
                    raise AssertionError(f"copy_file_range ended after {done} of {length} bytes")
                done += n

        self.from_other(name, 1, copy)

    # All of it

    def step(self):
        name = self.chance.choice(self.names)
        kind = self.chance.choice(self.kinds)
        self.number += 1
        self.log.append(f"{self.number}: {kind.__name__[3:]} {name}")
        del self.log[:-LAST]
        kind(name)

    def compare(self):
        """All bytes of all files, as every client gets them from the disk."""
        drop_caches()
        for self.who in range(len(self.dirs)):
            for name in self.names:
                what = f"{name} by client {self.who + 1}"
                data = self.guarded(name, 0, lambda fd: os.pread(fd, 2 * SIZE, 0))
                if len(data) != len(self.files[name].data):
                    raise AssertionError(f"{what}: {len(data)} bytes, not {len(self.files[name].data)}")
                self.check(name, data, 0, what)

    def run(self, steps, every=40):
        try:
            for i in range(1, steps + 1):
                self.step()
                if i % every == 0 or i == steps:
                    self.compare()
        except Exception as e:
            raise AssertionError(f"{e!r}; the last operations: {'; '.join(self.log)}") from e
        for fd in self.held:
            os.close(fd)
