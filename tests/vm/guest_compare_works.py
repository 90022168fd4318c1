# SPDX-License-Identifier: Apache-2.0
"""The works of tests/vm/compare.  Each is prepared, timed, and cleaned up after; only what is between counts."""

import json
import mmap
import os
import shutil
import time

from guest_lib import MIB, sh
from guest_load import sample_tree
from guest_pattern import direct

WORKS = []
SIZE = 64 * MIB
SMALL = 4096


class Work:
    """One turn of a work on a target (guest_compare.py)."""

    name = unit = None
    raw = False  # whether it can be done on a disk without a file system
    shares = False  # clients are in each other's way

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if cls.name:
            WORKS.append(cls)

    def __init__(self, target, number):
        self.target = target
        self.client = target.clients[0]
        self.path = target.path(f"{self.name}.{number}")
        self.failed = 0

    def prepare(self):
        pass

    def work(self):
        """(how many of the unit, in how many seconds)"""
        raise NotImplementedError

    def clean(self):
        if self.target.server:
            self.client.run(remove, self.path)


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)


def timed(function, *args):
    started = time.monotonic()
    function(*args)
    return time.monotonic() - started


def write_file(path, begin, length, flags):
    """In requests of 1 MiB, then fsync and close."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o644)
    with mmap.mmap(-1, MIB) as memory:
        memory[:] = os.urandom(4096) * (MIB // 4096)
        for offset in range(begin, begin + length, MIB):
            if os.pwrite(fd, memory, offset) != MIB:
                raise AssertionError(f"short write at {offset}")
    os.fsync(fd)
    os.close(fd)


def read_file(path, length, flags):
    fd = os.open(path, os.O_RDONLY | flags)
    with mmap.mmap(-1, MIB) as memory:
        for offset in range(0, length, MIB):
            if os.preadv(fd, [memory], offset) != MIB:
                raise AssertionError(f"short read at {offset}")
    os.close(fd)


class Sequential(Work):
    unit = "MiB/s"
    raw = True
    flags = 0
    writes = False

    def prepare(self):
        if not self.writes and self.target.server:
            self.client.run(write_file, self.path, 0, SIZE, os.O_DIRECT)

    def work(self):
        call = (write_file, self.path, 0, SIZE, self.flags) if self.writes else (read_file, self.path, SIZE, self.flags)
        return SIZE / MIB, self.client.run(timed, *call)


class WriteDirect(Sequential):
    """a new file of 64 MiB, O_DIRECT, 1 MiB a request, fsync"""

    name, writes, flags = "write-direct", True, os.O_DIRECT


class ReadDirect(Sequential):
    """the same read, O_DIRECT"""

    name, flags = "read-direct", os.O_DIRECT


class WriteBuffered(Sequential):
    """a new file of 64 MiB, buffered, fsync"""

    name, writes = "write-buffered", True


class ReadBuffered(Sequential):
    """the same read, buffered, nothing of it in the cache"""

    name = "read-buffered"


def fio(path, depth, seconds):
    """Random writes of 4 KiB in the first 32 MiB.  (how many, seconds)"""
    text = sh("fio", "--name=w", f"--filename={path}", "--rw=randwrite", "--bs=4k", "--direct=1", "--size=32m", "--fallocate=none",
              "--ioengine=libaio", f"--iodepth={depth}", "--time_based", f"--runtime={seconds}", "--output-format=json",
              "--randseed=1", "--thread")
    write = json.loads(text[text.index("{"):])["jobs"][0]["write"]
    return write["total_ios"], write["runtime"] / 1000


class Random(Work):
    unit = "/s"
    raw = True
    depth = 1
    new = False

    def prepare(self):
        if self.target.server and self.new:
            self.client.run(empty, self.path, 32 * MIB)
        elif self.target.server:
            self.client.run(write_file, self.path, 0, 32 * MIB, os.O_DIRECT)

    def work(self):
        return self.client.run(fio, self.path, self.depth, 2)


def empty(path, size):
    with open(path, "wb") as file:
        file.truncate(size)


class Overwrite(Random):
    """random 4 KiB, O_DIRECT, one at a time, over what was written before"""

    name = "random-1-overwrite"


class Overwrite16(Random):
    """the same, 16 at a time"""

    name, depth = "random-16-overwrite", 16


class New(Random):
    """random 4 KiB, O_DIRECT, one at a time, into a file that is one hole at first"""

    name, new = "random-1-new", True


class New16(Random):
    """the same, 16 at a time"""

    name, depth, new = "random-16-new", 16, True


def make_files(path, number):
    data = os.urandom(SMALL)
    for i in range(number):
        with open(f"{path}/{i}", "wb", buffering=0) as file:
            file.write(data)


class Create(Work):
    """new files of 4 KiB, each created, written, closed"""

    name, unit, number = "create", "files/s", 100

    def prepare(self):
        self.client.run(os.mkdir, self.path)

    def work(self):
        return self.number, self.client.run(timed, make_files, self.path, self.number)


class Untar(Work):
    """tar -x of a tree of 180 files, links and directories"""

    name, unit, archive = "untar", "names/s", "/tmp/compare.tar"

    def prepare(self):
        if not os.path.exists(self.archive):
            sample_tree("/tmp/compare/tree", 120)
            sh("tar", "-C", "/tmp/compare", "-cf", self.archive, "tree")
        self.client.run(os.mkdir, self.path)

    def work(self):
        names = sh("tar", "-tf", self.archive).count("\n")
        return names, self.client.run(timed, sh, "tar", "-C", self.path, "-xpf", self.archive)


def cycles(path, number, step):
    with mmap.mmap(-1, SMALL) as memory:
        for i in range(number):
            fd = direct(path)
            os.pwrite(fd, memory, i * step)
            os.close(fd)


class Cycle(Work):
    """open, write 4 KiB behind the end, O_DIRECT, close: a layout is got, committed and returned each time"""

    name, unit, number, step = "cycle", "/s", 100, SMALL

    def prepare(self):
        self.client.run(write_file, self.path, 0, MIB, os.O_DIRECT)
        self.client.run(os.truncate, self.path, 0)

    def work(self):
        return self.number, self.client.run(timed, cycles, self.path, self.number, self.step)


class CycleAgain(Cycle):
    """the same at a place that is written already"""

    name, step = "cycle-again", 0

    def prepare(self):
        self.client.run(write_file, self.path, 0, MIB, os.O_DIRECT)


class Cycle8(Cycle):
    """as cycle, in 8 files at once"""

    name, number = "cycle-8", 160

    def paths(self):
        return [f"{self.path}.{i}" for i in range(8)]

    def prepare(self):
        for path in self.paths():
            self.client.run(empty, path, 0)

    def work(self):
        started = time.monotonic()
        works = [self.client.start(cycles, path, self.number // 8, self.step) for path in self.paths()]
        for work in works:
            work.wait()
        return self.number, time.monotonic() - started

    def clean(self):
        for path in self.paths():
            self.client.run(remove, path)


class TwoFiles(Work):
    """two clients at once, a file of 32 MiB each, O_DIRECT, 1 MiB a request"""

    name, unit, each = "two-files", "MiB/s", 32 * MIB

    def jobs(self):
        return [(client, f"{self.path}.{client.n}", 0) for client in self.target.clients]

    def work(self):
        works = [client.start(timed, write_file, path, begin, self.each, os.O_DIRECT) for client, path, begin in self.jobs()]
        started = time.monotonic()
        self.failed = sum(work.failure() is not None for work in works)
        return len(works) * self.each / MIB, time.monotonic() - started

    def clean(self):
        for path in {path for _, path, _ in self.jobs()}:
            self.client.run(remove, path)


class Halves(TwoFiles):
    """two clients at once, the halves of one file"""

    name, shares = "two-halves", True

    def jobs(self):
        return [(client, self.path, (client.n - 1) * self.each) for client in self.target.clients]
