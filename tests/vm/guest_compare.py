#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs in the guest for tests/vm/compare: the same work on Lamina, on knfsd with XFS, and on a disk alone, in turns.

Each has a disk of its own of the same kind; all are mounted at the same time, and who is not at work is idle.
--list works anywhere.  The results are lines of JSON in /out/results, the table goes to the standard output.
"""

import argparse
import json
import os
import statistics
import sys
import time

from guest_client import SERVER
from guest_compare_works import WORKS
from guest_knfsd import Knfsd
from guest_lib import put, registered, sh
from guest_pattern import write_ranges
from guest_scenario import DISKS as SIZES
from guest_server import Lamina
from guest_trace import Recalls
from guest_world import World

KNFSD_ADDRESS = "192.0.2.2"
CLIENTS = 2
DISKS = ("lamina", "knfsd", "raw")


class Target:
    """One of the servers as the clients see it, or the disk that nobody serves."""

    def __init__(self, name, world, server=None, address=None):
        self.name, self.world, self.server, self.address = name, world, server, address
        self.lost = False
        self.clients = world.all_clients
        self.at = f"/tmp/{name}"
        if server:
            server.start()
            os.makedirs(self.at)
            self.mount()
            self.clients[0].run(os.makedirs, f"{self.at}/compare")
        else:
            for client in self.clients:
                os.chmod(self.device(client), 0o666)

    def mount(self):
        """Each client finds the disk and registers with it then, not in a work."""
        for client in self.clients:
            client.mount(at=self.at, server=self.address)
            client.run(write_ranges, f"{self.at}/first{client.n}", 1, [(0, 4096)])
        self.keys = registered(self.server.devices[0])

    def fenced(self):
        return len(self.keys - registered(self.server.devices[0])) if self.server else 0

    def mend(self):
        """Clients that were fenced come back with a new mount; if even that fails there is nothing more to compare."""
        try:
            for client in self.clients:
                client.umount(limit=60, at=self.at)
            self.mount()
        except AssertionError as e:
            self.lost = True
            print(f"{self.name}: {e}", flush=True)

    def device(self, client):
        return self.world.disks[self.name][2][client.n - 1]

    def path(self, what):
        """Of a file of this name; the disk that nobody serves is the only file that it has."""
        return f"{self.at}/compare/{what}" if self.server else self.device(self.clients[0])

    def counters(self):
        found = {}
        for client in self.clients if self.server else []:
            for name, number in client.counters(self.at).items():
                if isinstance(number, int) and number:
                    found[name] = found.get(name, 0) + number
        return found

    def leave(self):
        for client in self.clients:
            client.umount(at=self.at)
        self.server.stop()
        return self.server.check()


class Compare:
    def __init__(self, chosen, rounds):
        self.chosen, self.rounds = chosen, rounds
        # The disks' memory is taken now, lest who writes new blocks pays for that.
        for name in DISKS:
            sh("dd", "if=/dev/zero", f"of=/dev/shm/{name}", "bs=1M", f"count={SIZES[name]}")
        self.world = World("scsi", DISKS, CLIENTS)
        self.world.up()
        sh("ip", "addr", "add", f"{KNFSD_ADDRESS}/24", "dev", "br0")
        self.recalls = Recalls()
        self.results = []

    def up(self):
        disk = {name: [self.world.disks[name][1]] for name in DISKS}
        self.targets = [Target("lamina", self.world, Lamina(disk["lamina"], "scsi"), SERVER),
                        Target("knfsd", self.world, Knfsd(disk["knfsd"], "scsi", address=KNFSD_ADDRESS), KNFSD_ADDRESS),
                        Target("raw", self.world)]

    def one(self, work, target, number):
        """One turn: {"work", "target", "rate", "ops", "cpu", ...}"""
        run = work(target, number)
        run.prepare()
        put("/proc/sys/vm/drop_caches", b"1")
        self.recalls.count()
        before, cpu = target.counters(), target.server and target.server.cpu()
        amount, seconds = run.work()
        now, fenced = target.counters(), target.fenced()
        ops = {name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name, 0)}
        result = {"work": work.name, "target": target.name, "round": number, "amount": amount, "seconds": round(seconds, 3),
                  "rate": amount / seconds, "unit": work.unit, "ops": ops, "recalls": self.recalls.count(),
                  "cpu": target.server and round(target.server.cpu() - cpu, 2), "failed": run.failed,
                  "fenced": fenced}
        if fenced:
            target.mend()
        if not target.lost:
            run.clean()
        with open("/out/results", "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        return result

    def all(self):
        """What may fence clients last: who was fenced is not what he was."""
        for works in ([w for w in self.chosen if not w.shares], [w for w in self.chosen if w.shares]):
            for number in range(self.rounds):
                for work in works:
                    self.turn(work, number)

    def turn(self, work, number):
        first = number % len(self.targets)
        for target in self.targets[first:] + self.targets[:first]:
            if (target.server or work.raw) and not target.lost:
                self.results.append(self.one(work, target, number))

    def leave(self):
        for target in self.targets[:2]:
            problem = "left as it is" if target.lost else target.leave()
            if problem:
                print(f"{target.name}: {problem}", flush=True)


def median(results, work, target, what):
    values = [r[what] for r in results if r["work"] == work.name and r["target"] == target and r[what] is not None]
    return statistics.median(values) if values else None


def ratio(a, b):
    return f"{a / b:.2f}" if a is not None and b else "-"


def show(number):
    return "-" if number is None else f"{number:.1f}" if number < 1000 else f"{number:.0f}"


def table(results, chosen):
    """A line for each work: rates and ratios, then processor time of the servers in milliseconds for one of the unit."""
    print(f"{'work':24}{'unit':>8}{'lamina':>9}{'knfsd':>9}{'raw':>9}{'x knfsd':>9}{'x raw':>8}{'CPU ms':>9}{'knfsd':>8}", flush=True)
    for work in chosen:
        rates = [median(results, work, target, "rate") for target in ("lamina", "knfsd", "raw")]
        cpu = []
        for target in ("lamina", "knfsd"):
            used, amount = median(results, work, target, "cpu"), median(results, work, target, "amount")
            cpu.append(f"{1000 * used / amount:.2f}" if amount else "-")
        print(f"{work.name:24}{work.unit:>8}" + "".join(f"{show(rate):>9}" for rate in rates) +
              f"{ratio(rates[0], rates[1]):>9}{ratio(rates[0], rates[2]):>8}{cpu[0]:>9}{cpu[1]:>8}", flush=True)


def requests(results, chosen):
    """What the clients sent and were asked, by the median of each operation's number."""
    for work in chosen:
        for target in ("lamina", "knfsd"):
            mine = [r for r in results if r["work"] == work.name and r["target"] == target]
            names = sorted({name for r in mine for name in r["ops"]})
            counts = {name: statistics.median(r["ops"].get(name, 0) for r in mine) for name in names}
            text = " ".join(f"{name} {number:.0f}" for name, number in counts.items() if number >= 1)
            text += "".join(f"; {what} {sum(r[what] for r in mine)}" for what in ("recalls", "failed", "fenced") if any(r[what] for r in mine))
            print(f"{work.name:24}{target:8}{text}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("works", nargs="*")
    args = parser.parse_args()
    if args.list:
        for work in WORKS:
            print(f"{work.name:24} {work.__doc__}")
        return 0
    os.umask(0o022)
    os.makedirs("/run/lock", exist_ok=True)
    sh("dmesg", "--console-level", "emerg")
    sh("modprobe", "-a", "bridge", "veth", "nfsv4", "blocklayoutdriver")
    started = time.monotonic()
    compare = Compare([work for work in WORKS if not args.works or work.name in args.works], args.rounds)
    compare.up()
    print(f"--- Linux {os.uname().release}, up after {time.monotonic() - started:.0f} s", flush=True)
    compare.all()
    table(compare.results, compare.chosen)
    print(f"--- what the clients sent, after {time.monotonic() - started:.0f} s", flush=True)
    requests(compare.results, compare.chosen)
    compare.leave()
    put("/out/dmesg", sh("dmesg").encode())
    if any(target.lost for target in compare.targets):
        # What waits for a server that is lost would keep the guest from ending.
        put("/out/rc", b"0")
        put("/proc/sysrq-trigger", b"o")
    return 0


if __name__ == "__main__":
    sys.exit(main())
