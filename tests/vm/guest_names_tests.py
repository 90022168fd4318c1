# SPDX-License-Identifier: Apache-2.0
"""A directory with very many names."""

import os
import time

from guest_lib import same
from guest_scenario import scenario

MANY, FEW = 100_000, 500  # with --long, and without
WORKS = 4  # of each client at the same time: a change is durable before the next one begins
REMOVED = 20  # each of so many


def make(path, names):
    for number in names:
        os.symlink("nowhere", f"{path}/{number}")


def remove(path, names):
    for number in names:
        os.unlink(f"{path}/{number}")


def shared_out(clients, function, path, names):
    """Each of the clients' works does it for some of the names."""
    works = len(clients) * WORKS
    return [clients[i % len(clients)].start(function, path, names[i::works]) for i in range(works)]


def wait_all(works, limit):
    for work in works:
        work.wait(limit)


def listed(path):
    """All names, each once."""
    names = os.listdir(path)
    same(len(names), len(set(names)), f"different names of {len(names)} in {path}")
    return {int(name) for name in names}


def check_all(path, names):
    same(listed(path) ^ set(names), set(), f"names missing or too many in {path}")


def check_the_rest(path, count, stop):
    """As long as others are removed: those that stay are there, once, each time.  How many times that was."""
    kept = {number for number in range(count) if number % REMOVED}
    rounds = 0
    while rounds == 0 or not os.path.exists(stop):
        same(kept - listed(path), set(), "names that were not removed")
        rounds += 1
        time.sleep(0.2)
    return rounds


@scenario()
def test_names(world):
    """100,000 names in one directory (500 without --long): made and listed by both clients, also while some are removed"""
    count = MANY if world.long else FEW
    path, stop = f"{world.dir}/many", f"{world.dir}/stop"
    a, b = world.clients
    a.run(os.mkdir, path)
    limit = 100 + count // 20
    began = time.monotonic()
    wait_all(shared_out((a, b), make, path, range(count)), limit)
    made = time.monotonic()
    world.drop_caches()
    for client in (a, b):
        client.run(check_all, path, range(count), limit=limit)
    world.note(f"{count} names made in {made - began:.0f} s, listed by both in {time.monotonic() - made:.0f} s")
    looking = b.start(check_the_rest, path, count, stop)
    wait_all(shared_out((a,), remove, path, range(0, count, REMOVED)), limit)
    a.run(os.mkdir, stop)
    world.note(f"listed {looking.wait(limit)} times while some were removed")
    b.run(check_all, path, [number for number in range(count) if number % REMOVED], limit=limit)
