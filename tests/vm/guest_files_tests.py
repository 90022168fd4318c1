# SPDX-License-Identifier: Apache-2.0
"""The tests of tests/vm/nfs (guest_tests.py, guest_load.py) on clients with layouts, as a few scenarios."""

import os
import re
import select
import sys
import tempfile
import time
import traceback
from types import SimpleNamespace

import guest_load
import guest_tests
from guest_client import SERVER
from guest_lib import TESTS, get, sh
from guest_scenario import scenario


class Setup:
    """What these tests know of the world.  Programs of the guest see client n's mount at /run/clients/n, too: of the same
    kernel client, but without a name for the disk, which must have been found before.
    """

    def __init__(self, world, version, names, seconds):
        self.args = SimpleNamespace(server="lamina", vers=version, names=names, load_seconds=seconds, files=20)
        self.minor = int(version.split(".")[1])
        self.clients = world.clients
        self.scenario = os.path.basename(world.dir)
        self.mounts = []

    def mount(self, n, at, vers=None):
        """The directory of this scenario."""
        os.makedirs(at, exist_ok=True)
        options = f"vers={vers or self.args.vers},proto=tcp,sec=sys,hard"
        sh("nsenter", f"--net=/run/netns/c{n}", "mount", "-t", "nfs4", "-o", options, f"{SERVER}:/{self.scenario}", at)

    def __enter__(self):
        for client in self.clients[:2]:
            self.mounts.append(f"/run/clients/{client.n}")
            self.mount(client.n, self.mounts[-1])
        return self

    def __exit__(self, *_):
        """Lazily, and what tests left, too: what keeps it busy has been told of."""
        with open("/proc/mounts", encoding="utf-8") as mounts:
            for line in mounts:
                if line.startswith(f"{SERVER}:"):
                    sh("umount", "-l", line.split()[1])

    def dirs(self, name):
        dirs = [f"{at}/{name}" for at in self.mounts]
        os.makedirs(dirs[0])
        os.listdir(dirs[1])
        return dirs


def run_test(function, setup, name, output):
    """Why it failed, or None; what it says goes to the file output."""
    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
    try:
        function(setup, *setup.dirs(name))
    except BaseException as e:
        where = [f for f in traceback.extract_tb(e.__traceback__) if f.name.startswith("test_")]
        line = f" ({os.path.basename(where[-1].filename)}:{where[-1].lineno})" if where else ""
        return (str(e) if isinstance(e, AssertionError) else repr(e)) + line
    finally:
        sys.stdout.flush()
    return None


class Running:
    """A test at work."""

    def __init__(self, world, setup, name):
        function, self.limit, _, _ = TESTS[name]
        self.world, self.name = world, name
        self.started = time.monotonic()
        self.output = tempfile.NamedTemporaryFile()
        self.work = world.start(run_test, function, setup, name, self.output.name)

    def left(self):
        """Seconds that it may still take."""
        return max(self.started + self.limit - time.monotonic(), 0)

    def end(self):
        """Why it failed, or None."""
        try:
            why = self.work.wait(self.left())
        except AssertionError as e:
            why = str(e)
        with self.output:
            for line in re.findall(r".+", get(self.output.name).decode()):
                self.world.note(f"{self.name}: {line.strip()}")
        return why


def first_ended(running):
    """The one that ends first, or has used up its time."""
    ready = select.select([one.work.exit for one in running], [], [], min(one.left() for one in running))[0]
    return next((one for one in running if one.work.exit in ready), running[0])


def run_all(world, version, module, names=500, seconds=3, lanes=1):
    """Each test of the module that this version has, so many at the same time.  All of them run, whatever fails."""
    failures, took = [], []
    with Setup(world, version, names, seconds) as setup:
        chosen = [name for name, (function, _, since, _) in TESTS.items()
                  if function.__module__ == module.__name__ and setup.minor >= since]
        running = []
        while chosen or running:
            while chosen and len(running) < lanes:
                running.append(Running(world, setup, chosen.pop(0)))
            ended = first_ended(running)
            running.remove(ended)
            why = ended.end()
            took.append(f"{ended.name} {time.monotonic() - ended.started:.1f}")
            world.log(took[-1])
            if why:
                failures.append(f"{ended.name}: {why}")
    world.note(f"{len(took)} tests, seconds: {', '.join(took)}")
    world.unfenced()
    if failures:
        raise AssertionError("; ".join(failures))


@scenario()
def test_files42(world):
    """everything of files, names and locks that `tests/vm/nfs --list` shows, with NFSv4.2"""
    run_all(world, "4.2", guest_tests)


@scenario(version="4.1", disks=("older",))
def test_files41(world):
    """the same with NFSv4.1"""
    run_all(world, "4.1", guest_tests, names=100)


@scenario()
def test_programs(world):
    """git clone, commit, gc and fsck; beside that SQLite from both clients at once; tar round trip; locks that are kept"""
    run_all(world, "4.2", guest_load, lanes=2)
