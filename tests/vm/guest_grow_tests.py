# SPDX-License-Identifier: Apache-2.0
"""A volume gets another disk while clients use it."""

import os

from guest_death_tests import STOP, Rounds, may_go_on, rewrite
from guest_device_tests import check_all, disks_of, files_on_all, fill_direct, free_bytes, registered, space_back
from guest_lib import MIB, put, same, sh
from guest_pattern import check_ranges, direct, write_ranges
from guest_scenario import scenario
from guest_server import LAMINA


@scenario(disks=("small",), spare=("third",), fresh=True)
def test_grow(world):
    """a full volume gets another disk under two writers: there is room, by layouts; the server starts again with both"""
    a, b = world.clients
    size = 4 * MIB
    for client in (a, b):
        client.run(write_ranges, f"{world.dir}/own{client.n}", 1000 * client.n, [(0, size)])
    one = a.run(fill_direct, f"{world.dir}/full", 1)
    free = b.run(free_bytes, "/mnt")
    may_go_on()
    rounds = Rounds(2)
    works = [client.start(rewrite, f"{world.dir}/own{client.n}", 1000 * client.n, direct, [(at, MIB) for at in range(0, size, MIB)],
                          rounds, i) for i, client in enumerate((a, b))]
    rounds.wait()
    device = world.disks["third"][1]
    # At its end it may still have the label of another scenario's volume.
    sh(LAMINA, "grow", "--force", device)
    world.server.devices.append(device)
    world.server.configure()
    grown = b.run(free_bytes, "/mnt") - free
    world.note(f"full after {one >> 20} MiB; {grown >> 20} MiB more")
    same(grown > 400 * MIB, True, "room for what the disk has")
    before = [a.counters(), b.counters()]
    news = [client.start(write_ranges, f"{world.dir}/new{client.n}", client.n, [(0, 32 * MIB)]) for client in (a, b)]
    for work in news:
        work.wait()
    rounds.wait()
    put(STOP, b"")
    tags = [work.wait() for work in works]
    same([set(disks_of(world, f"{world.dir}/new{client.n}")) for client in (a, b)], [{1}, {1}], "disks of the new files")
    for i, client in enumerate((a, b)):
        world.cost(client, before[i], f"in the grown volume, client {client.n}")
    registered(world)
    world.server.down()
    world.server.up()
    same(len(world.server.status()["volume"]["devices"]), 2, "disks after a restart")
    a.run(os.unlink, f"{world.dir}/full")
    space_back(world, one)
    files = files_on_all(world, b, "file", 7, direct)
    world.drop_caches()
    for i, client in enumerate((a, b)):
        other = (b, a)[i]
        other.run(check_ranges, f"{world.dir}/own{client.n}", [(0, size, (tags[i],))], size)
        other.run(check_ranges, f"{world.dir}/new{client.n}", [(0, 32 * MIB, (client.n,))], 32 * MIB)
    check_all(world, a, [path for paths in files.values() for path in paths], 7)
    registered(world)
