# SPDX-License-Identifier: Apache-2.0
"""A directory with very many names."""

import os
import time

from guest_lib import same
from guest_scenario import scenario

MANY, FEW = 100_000, 4000  # with --long, and without


def make(path, first, end):
    for number in range(first, end):
        os.symlink("nowhere", f"{path}/{number}")


def listed(path):
    """All names, each once."""
    names = os.listdir(path)
    same(len(names), len(set(names)), f"different names of {len(names)} in {path}")
    return {int(name) for name in names}


def check_all(path, count):
    same(listed(path) ^ set(range(count)), set(), f"names missing or too many in {path}")


def remove_thirds(path, count):
    for number in range(0, count, 3):
        os.unlink(f"{path}/{number}")


def check_the_rest(path, count, stop):
    """As long as others are removed: those that stay are there, once, each time.  How many times that was."""
    kept = {number for number in range(count) if number % 3}
    rounds = 0
    while rounds == 0 or not os.path.exists(stop):
        same(kept - listed(path), set(), "names that were not removed")
        rounds += 1
    return rounds


def remove(path, names):
    for number in names:
        os.unlink(f"{path}/{number}")


@scenario()
def test_names(world):
    """100,000 names in one directory (4,000 without --long): made and listed by both clients, also while some are removed"""
    count = MANY if world.long else FEW
    path, stop = f"{world.dir}/many", f"{world.dir}/stop"
    a, b = world.clients
    a.run(os.mkdir, path)
    limit = 60 + count // 20
    began = time.monotonic()
    works = [client.start(make, path, first, first + count // 2) for client, first in ((a, 0), (b, count // 2))]
    for work in works:
        work.wait(limit)
    made = time.monotonic()
    world.drop_caches()
    for client in world.clients:
        client.run(check_all, path, count, limit=limit)
    world.note(f"{count} names made in {made - began:.0f} s, listed by both in {time.monotonic() - made:.0f} s")
    removing = a.start(remove_thirds, path, count)
    looking = b.start(check_the_rest, path, count, stop)
    removing.wait(limit)
    a.run(os.mkdir, stop)
    world.note(f"listed {looking.wait(limit)} times while a third of them was removed")
    same(b.run(listed, path, limit=limit), {number for number in range(count) if number % 3}, "names that are left")
    works = [client.start(remove, path, list(range(first, count, 3))) for client, first in ((a, 1), (b, 2))]
    for work in works:
        work.wait(limit)
    b.run(os.rmdir, path)
