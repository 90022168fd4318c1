# SPDX-License-Identifier: Apache-2.0
"""Scenarios of what dies: clients that are cut off or killed, the server killed or without power, a path to the disk."""

import multiprocessing
import os
import time

from guest_lib import MIB, put, same, sh
from guest_path import waited
from guest_pattern import buffered, check_ranges, direct, make_empty, pattern, write_at, write_ranges
from guest_scenario import RESERVED, scenario
from guest_server import LAMINA

STOP = "/tmp/stop-load"
SMALL = 64 << 10


def may_go_on():
    """Who stops at STOP."""
    if os.path.exists(STOP):
        os.unlink(STOP)


class Rounds:
    """How many rounds of its work each of some programs has done."""

    def __init__(self, nr):
        self.done = multiprocessing.Array("Q", nr, lock=False)

    def wait(self, least=2):
        """Until each has done so many since now: 2 is all of one that it began after this."""
        before = list(self.done)
        waited(lambda: all(now - old >= least for now, old in zip(self.done, before)), f"{least} rounds of each program")


def rewrite(path, tag, opener, ranges, rounds=None, own=0):
    """Each range of at most 1 MiB again and again, with fsync after each round, until STOP.  Returns the last tag."""
    fd = opener(path)
    while not os.path.exists(STOP):
        tag += 1
        for offset, length in ranges:
            write_at(fd, offset, pattern(tag, offset, length))
        os.fsync(fd)
        if rounds:
            rounds.done[own] += 1
    os.close(fd)
    return tag


def make_files(path, rounds, own):
    """New small files, each written and closed, until STOP; returns how many."""
    os.mkdir(path)
    nr = 0
    while not os.path.exists(STOP):
        write_ranges(f"{path}/{nr}", nr + 1, [(0, SMALL)], buffered if nr % 2 else direct)
        nr += 1
        rounds.done[own] += 1
    return nr


def check_files(path, nr):
    for i in range(nr):
        check_ranges(f"{path}/{i}", [(0, SMALL, (i + 1,))], SMALL)


class Load:
    """All clients write: each its stripes of one file; some a file of their own, the others new small files."""

    STRIPES = 8

    def __init__(self, world):
        self.world = world
        self.shared = f"{world.dir}/shared"
        self.before = [(c.recoveries(), c.counters()) for c in world.clients]
        may_go_on()
        world.clients[0].run(make_empty, self.shared)
        self.writers, self.others = [], []
        self.rounds = Rounds(2 * len(world.clients))
        for i, client in enumerate(world.clients):
            stripes = [(at * MIB, MIB) for at in range(i, self.STRIPES, len(world.clients))]
            self.writers.append(client.start(rewrite, self.shared, 1000 * (i + 1), direct, stripes, self.rounds, 2 * i))
            own = self.rounds, 2 * i + 1
            if i % 2:
                self.others.append(client.start(make_files, f"{world.dir}/files{i}", *own))
            else:
                self.others.append(client.start(rewrite, f"{world.dir}/own{i}", 0, buffered, [(0, MIB), (5 * MIB, MIB)], *own))

    def end(self):
        """They stop; nobody had an error, or had to make itself known again; the data is right, elsewhere and on the disk."""
        world = self.world
        put(STOP, b"")
        tags = [work.wait(400) for work in self.writers]
        others = [work.wait(400) for work in self.others]
        world.note(f"rounds {', '.join(str(tag % 1000) for tag in tags)}; of their own files {', '.join(map(str, others[::2]))}; "
                   f"small files {', '.join(map(str, others[1::2]))}")
        same([tag % 1000 for tag in tags if tag % 1000 < 2], [], "rounds of clients that were kept waiting")
        for client, (known, counters) in zip(world.clients, self.before):
            same(client.recoveries(), known, f"what client {client.n} sent to make itself known")
            world.cost(client, counters, f"client {client.n}", least_gets=1)
        world.drop_caches()
        stripes = [(at * MIB, MIB, (tags[at % len(tags)],)) for at in range(self.STRIPES)]
        for client in world.clients[::2]:
            client.run(check_ranges, self.shared, stripes, self.STRIPES * MIB)
        for i, client in enumerate(world.clients):
            other = (i + 1) % len(others)
            if other % 2:
                client.run(check_files, f"{world.dir}/files{other}", others[other])
            else:
                tag = others[other]
                own = [(0, MIB, (tag,)), (MIB, 4 * MIB, (0,)), (5 * MIB, MIB, (tag,))]
                client.run(check_ranges, f"{world.dir}/own{other}", own, 6 * MIB)
                world.on_disk(f"{world.dir}/own{other}", own)
        world.on_disk(self.shared, stripes)
        world.unfenced()


def no_grace(world):
    same(world.server.status()["grace"]["active"], False, "grace after the start of the server")


def gone_clean(world):
    """Nothing is left of clients that unmount."""
    for client in world.clients:
        world.umount(client)
    world.same_keys("keys after umount")
    same(world.server.status()["layouts"]["now"], 0, "layouts")


@scenario(clients=4)
def test_restart(world):
    """the server is killed 4 times under four clients that write: nobody notices, the data is right"""
    load, kills = Load(world), 4
    for _ in range(kills):
        load.rounds.wait()
        world.server.kill()
        world.server.wait_up()
        no_grace(world)
    load.rounds.wait()
    load.end()
    world.note(f"killed {kills} times")
    gone_clean(world)


@scenario(clients=4)
def test_powercut(world):
    """the server is killed and its path to the disk cut at once, under four clients that write: nobody notices"""
    world.may_complain = True
    load, cuts = Load(world), 3
    for _ in range(cuts):
        load.rounds.wait()
        path = world.path()
        world.server.down()
        path.cut()
        time.sleep(1)
        world.mend()
        world.server.up()
        no_grace(world)
    load.rounds.wait()
    load.end()
    world.note(f"cut off {cuts} times")
    gone_clean(world)


UNUSED = "does not use them"


def by_server(world, client):
    """Why a client goes through the server, as status and clients say it; None if it does not."""
    address = f"{client.address}:"

    def in_status():
        return [c for c in world.server.status()["by_server"]["clients"] if c["address"].startswith(address)]

    listed = in_status()
    known = [c for c in world.server.ask("clients")["clients"] if (c["address"] or "").startswith(address)]
    same(len(known), 1, f"clients at {address}")
    if not listed:
        # What keeps a client from the devices is told there also of who asks for nothing.
        same(UNUSED in (known[0]["why_by_server"] or ""), False, "known to lamina clients, but not to lamina status")
        return None
    same(listed[0]["why_by_server"], known[0]["why_by_server"], "why, by lamina clients and by lamina status")
    why = listed[0]["why_by_server"] or "for no reason"
    if f"client {listed[0]['id']}" not in sh(LAMINA, "status"):
        same(in_status(), [], "clients in lamina status --json, and not in lamina status")
        return None
    return why


def went_by_server(client, before):
    now = client.counters()
    return now.get("READ", 0) > before.get("READ", 0) and now.get("WRITE", 0) > before.get("WRITE", 0)


def straight_again(world, client, path):
    """Without a new mount: Linux asks again 120 s after the last error."""
    started = time.monotonic()
    while True:
        before = client.counters()
        client.run(write_ranges, path, 9, [(0, MIB)])
        if client.counters().get("WRITE", 0) == before.get("WRITE", 0):
            break
        if time.monotonic() - started > 400:
            raise AssertionError("the client does not come back to its device")
        time.sleep(5)
    world.note(f"back at its device after {time.monotonic() - started:.0f} s")
    waited(lambda: by_server(world, client) is None, "status without the client", limit=300)


@scenario(types=RESERVED)
def test_pathlost(world):
    """a client loses its path to the disk: goes through the server, which says so all the time; then straight again"""
    a, b = world.clients
    world.may_complain = True
    names = {"direct": direct, "buffered": buffered}
    paths = {name: f"{world.dir}/{name}" for name in names}
    whole = [(0, MIB), (MIB, MIB)]
    for name, path in paths.items():
        a.run(write_ranges, path, 1, whole)
    may_go_on()
    same(by_server(world, a), None, "before the loss, why it goes through the server")
    rounds = Rounds(len(names))
    works = {name: a.start(rewrite, paths[name], 100, opener, whole, rounds, i) for i, (name, opener) in enumerate(names.items())}
    rounds.wait()
    same(by_server(world, a), None, "before the loss, why it goes through the server")
    before = a.counters()
    world.path(a).cut()
    waited(lambda: a.counters().get("WRITE", 0) > before.get("WRITE", 0) + 4, "WRITE through the server")
    for _ in range(5):
        why = by_server(world, a)
        same(UNUSED in (why or ""), True, f"why it goes through the server ({why})")
        same(by_server(world, b), None, "why the other does")
        rounds.wait(1)
    put(STOP, b"")
    tags = {name: work.wait() for name, work in works.items()}
    a.run(write_ranges, f"{world.dir}/new", 7, [(0, MIB)], buffered)
    world.note(f"why: {why}; rounds {', '.join(f'{name} {tag - 100}' for name, tag in tags.items())}")
    world.cost(a, before, "without its path", through=None)
    world.same_keys("keys while the path is lost")
    world.drop_caches()
    a.run(check_ranges, paths["direct"], [(0, 2 * MIB, (tags["direct"],))], 2 * MIB)
    for name, tag in tags.items():
        b.run(check_ranges, paths[name], [(0, 2 * MIB, (tag,))], 2 * MIB)
        world.on_disk(paths[name], [(0, 2 * MIB, (tag,))])
    b.run(check_ranges, f"{world.dir}/new", [(0, MIB, (7,))], MIB)
    lost = world.device_of(a)
    world.mend(a)
    world.note(f"its disk was {lost}, and is {world.device_of(a)}")
    same(by_server(world, a) is None, False, "who went through the server is still shown")
    if world.long and world.path(a).same_devices:
        straight_again(world, a, paths["direct"])
    world.umount(a)
    world.mount()
    before = a.counters()
    a.run(write_ranges, paths["direct"], 8, whole)
    a.run(check_ranges, paths["buffered"], [(0, 2 * MIB, (tags["buffered"],))], 2 * MIB)
    world.cost(a, before, "with its path again", least_gets=1)
    same(by_server(world, a), None, "at the end, why it goes through the server")
    b.run(check_ranges, paths["direct"], [(0, 2 * MIB, (8,))], 2 * MIB)
    world.unfenced()


STALL = 6


def write_until_stalled(path, tag, size, chunk, rounds):
    """Writes chunks again and again, until one takes long: (its offset, seconds, error or None)."""
    fd = direct(path)
    while True:
        for offset in range(0, size, chunk):
            began, error = time.monotonic(), None
            try:
                write_at(fd, offset, pattern(tag, offset, chunk))
            except OSError as e:
                error = str(e)
            if error or time.monotonic() - began > STALL:
                return offset, time.monotonic() - began, error
        rounds.done[0] += 1


def poke(device):
    """Writes the first block of the disk over itself, on this client's own path: (worked, what was said)."""
    try:
        fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
        with open("/tmp/first", "rb") as file:
            write_at(fd, 0, file.read())
        os.close(fd)
    except OSError as e:
        return False, e.strerror
    return True, None


@scenario(types=RESERVED)
def test_death(world):
    """a writing client is cut off: fenced at the other's wish, its late writes fail, the other's data is right; comes back"""
    a, b = world.clients
    world.may_complain = True
    path, half, chunk = f"{world.dir}/file", 4 * MIB, 256 << 10
    a.run(write_ranges, path, 1, [(0, 2 * half)])
    # The label, which nobody changes; read on the server's path, which may do that.
    sh("dd", f"if={world.device}", "of=/tmp/first", "bs=4096", "count=1", "iflag=direct")
    same(a.run(poke, world.device_of(a)), (True, None), "a raw write before the fence")
    world.log("cut")
    rounds = Rounds(1)
    late = a.start(write_until_stalled, path, 2, half, chunk, rounds)
    rounds.wait()
    a.cut()
    started = time.monotonic()
    b.run(write_ranges, path, 3, [(half, half)], limit=100)
    world.note(f"the other client waited {time.monotonic() - started:.1f} s")
    world.same_keys("keys after the fence", gone=a)
    world.log("keys looked at")
    same(len(world.server.status()["layouts"]["fences"]), 1, "fences")
    worked, said = a.run(poke, world.device_of(a))
    world.note(f"a raw write of the fenced client: {said}")
    same(worked, False, "a raw write after the fence")
    b.run(write_ranges, path, 4, [(0, half)], limit=100)
    world.log("other half written by the other")
    world.drop_caches()
    b.run(check_ranges, path, [(0, half, (4,)), (half, half, (3,))], 2 * half)
    # The write that the fence has caught is one that takes long, however soon the network is used again.
    time.sleep(STALL)
    a.mend()
    world.log("mended")
    offset, seconds, error = late.wait(400)
    world.note(f"its write under way at the cut took {seconds:.1f} s: {error or 'done in the end'}")
    world.drop_caches()
    wanted = [(0, offset, (4,)), (offset, chunk, (2, 4)), (offset + chunk, half - offset - chunk, (4,)), (half, half, (3,))]
    b.run(check_ranges, path, wanted, 2 * half)
    # It works at once, through the server as long as the kernel avoids the disk, and with layouts after a new mount.
    a.run(write_ranges, f"{world.dir}/back", 5, [(0, MIB)])
    b.run(check_ranges, f"{world.dir}/back", [(0, MIB, (5,))], MIB)
    world.umount(a)
    world.mount()
    before = a.counters()
    a.run(write_ranges, f"{world.dir}/again", 6, [(0, 4 * MIB)])
    world.cost(a, before, "after a new mount", least_gets=1)
    b.run(check_ranges, f"{world.dir}/again", [(0, 4 * MIB, (6,))], 4 * MIB)
    world.unfenced()


def write_on(path, tag, size, chunk, rounds):
    """Writes chunks again and again."""
    fd = direct(path)
    while True:
        for offset in range(0, size, chunk):
            write_at(fd, offset, pattern(tag, offset, chunk))
        rounds.done[0] += 1


@scenario(types=RESERVED)
def test_killed(world):
    """a client that writes dies, for ever silent: fenced at the other's wish, which goes on; works again after a reboot"""
    a, b = world.clients
    world.may_complain = True
    path, half, chunk = f"{world.dir}/file", 4 * MIB, 256 << 10
    a.run(write_ranges, path, 1, [(0, 2 * half)])
    rounds = Rounds(1)
    a.start(write_on, path, 2, half, chunk, rounds)
    rounds.wait()
    a.cut()
    world.path(a).cut()
    a.kill()
    started = time.monotonic()
    world.same_keys("keys after its death")
    b.run(write_ranges, f"{world.dir}/other", 3, [(0, half)], limit=100)
    b.run(write_ranges, path, 4, [(half, half)], limit=100)
    world.note(f"the other client waited {time.monotonic() - started:.1f} s")
    world.same_keys("keys after the fence", gone=a)
    same(len(world.server.status()["layouts"]["fences"]), 1, "fences")
    wanted = [(0, half, (1, 2)), (half, half, (4,))]
    world.drop_caches()
    b.run(check_ranges, path, wanted, 2 * half, limit=100)
    b.run(write_ranges, path, 5, [(0, half)], limit=100)
    a.reboot()
    world.mend(a, renew=True)
    world.mounted.discard(a)
    key = world.client_keys[a]
    world.mount()
    same(world.client_keys[a], key, "the key of the client after its reboot")
    before = a.counters()
    wanted = [(0, half, (5,)), (half, half, (4,))]
    a.run(check_ranges, path, wanted, 2 * half)
    a.run(write_ranges, path, 6, [(0, half)])
    world.cost(a, before, "after the reboot", least_gets=1, most_gets=20)
    world.drop_caches()
    wanted = [(0, half, (6,)), (half, half, (4,))]
    b.run(check_ranges, path, wanted, 2 * half)
    world.on_disk(path, wanted)
    world.unfenced()
