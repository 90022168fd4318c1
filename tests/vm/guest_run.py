#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs in the guest for tests/vm/run: sets up the world and lets scenarios work in it, one after the other.

--list works anywhere.  Each scenario's result is also a line of JSON in /out/results.
"""

import argparse
import json
import os
import sys
import time
import traceback

import guest_sharing  # noqa: F401 (importing registers the scenarios, in this order)
import guest_share_tests  # noqa: F401
import guest_feature_tests  # noqa: F401
import guest_files_tests  # noqa: F401
import guest_names_tests  # noqa: F401
import guest_truth_tests  # noqa: F401
import guest_death_tests  # noqa: F401
import guest_device_tests  # noqa: F401
import guest_power_tests  # noqa: F401
import guest_grow_tests  # noqa: F401
import guest_nvme_tests  # noqa: F401
from guest_knfsd import Knfsd
from guest_lib import Skip, put, sh
from guest_pattern import keep_memory
from guest_scenario import ALL_TYPES, SCENARIOS
from guest_server import Lamina
from guest_world import Watch, World

SERVERS = {"lamina": Lamina, "knfsd": Knfsd}


def blocked(path):
    """Where every program of the guest waits in the kernel."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as comm, open(f"/proc/{pid}/stack", encoding="ascii") as stack:
                text = stack.read()
                found.append(f"{pid} {comm.read()}{text}\n" if text else "")
        except OSError:
            continue
    put(path, "".join(found).encode())


class Run:
    def __init__(self, chosen, args):
        self.kind = args.type
        self.chosen = chosen
        self.failed = 0
        disks = sorted({disk for s in chosen for disk in s.disks + s.spare}, key=lambda d: [d != "main", d])
        self.world = World(args.type, disks, max(s.clients for s in chosen), SERVERS[args.server])
        self.world.long = args.long
        self.world.seed = args.seed

    def report(self, verdict, name, seconds, why, notes):
        self.failed += verdict == "FAILED"
        print(f"{verdict:7} {name:12} {seconds:6.1f} s  {why or ''}", flush=True)
        for line in notes:
            print(f"             {line}", flush=True)
        with open("/out/results", "a", encoding="utf-8") as file:
            json.dump({"kernel": os.uname().release, "type": self.kind, "scenario": name, "verdict": verdict,
                       "seconds": round(seconds, 1), "why": why, "notes": notes}, file)
            file.write("\n")

    def leave(self):
        started = time.monotonic()
        why = self.world.leave()
        self.report("FAILED" if why else "ok", "check", time.monotonic() - started, why, [])

    def prepare(self, scenario):
        """The volume that it wants, mounted by as many clients as it wants."""
        world = self.world
        if world.volume and (scenario.fresh or world.volume != scenario.volume()):
            self.leave()
        if not world.volume:
            world.serve(scenario.volume())
        world.clients = world.all_clients[: scenario.clients]
        for client in world.mounted - set(world.clients):
            world.umount(client)
        for client in world.clients:
            world.take_path(client, scenario.lacks if client is world.clients[-1] else "")
        world.version = scenario.version
        world.mount()
        world.dir = f"/mnt/{scenario.name}"
        world.clients[0].run(os.makedirs, world.dir)
        world.may_complain = False
        world.log(f"--- {scenario.name}")

    def one(self, scenario):
        """Why it failed, or None; Skip passes through."""
        world = self.world
        world.notes = []
        watch = Watch(scenario.name)
        why = "ended early"
        try:
            self.prepare(scenario)
            scenario.function(world)
            bad = watch.bad_messages()
            why = "kernel messages: " + " | ".join(bad[:3]) if bad and not world.may_complain else world.server.ended()
        except Skip:
            why = None
            raise
        except Exception as e:
            where = [f for f in traceback.extract_tb(e.__traceback__) if f.name.startswith("test_")]
            blocked(f"/out/{scenario.name}.stacks")
            why = f"{e if isinstance(e, AssertionError) else repr(e)}" + (f" (line {where[-1].lineno})" if where else "")
            if not isinstance(e, AssertionError):
                traceback.print_exc()
        finally:
            watch.end(world, why)
            if why:
                world.kill_works()
        return why

    def all(self):
        for scenario in self.chosen:
            started = time.monotonic()
            try:
                why = self.one(scenario)
                verdict = "ok" if why is None else "FAILED"
            except Skip as skip:
                why, verdict = str(skip), "skipped"
            self.report(verdict, scenario.name, time.monotonic() - started, why, self.world.notes)
        if self.world.volume:
            self.leave()


def choose(args):
    """In the order of the list; those of one volume follow each other."""
    chosen = [s for s in SCENARIOS.values() if args.type in s.types and args.server in s.servers]
    if args.scenarios:
        chosen = [s for s in chosen if s.name in args.scenarios]
    elif args.smoke:
        chosen = [s for s in chosen if s.smoke]
    volumes = list(dict.fromkeys(s.volume() for s in chosen))
    return sorted(chosen, key=lambda s: volumes.index(s.volume()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--type", default="scsi")
    parser.add_argument("--server", default="lamina")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("scenarios", nargs="*")
    args = parser.parse_args()
    if args.list:
        for s in SCENARIOS.values():
            marks = [", ".join(s.types)] if s.types != ALL_TYPES else []
            marks += ["smoke"] if s.smoke else []
            marks += ["also knfsd"] if "knfsd" in s.servers else []
            print(f"{s.name:12} {s.function.__doc__}" + "".join(f"  [{mark}]" for mark in marks))
        return 0
    chosen = choose(args)
    if not chosen:
        print(f"--- none of these scenarios is for {args.type} and {args.server}")
        return 0
    keep_memory()
    os.umask(0o022)
    os.makedirs("/run/lock", exist_ok=True)
    sh("dmesg", "--console-level", "emerg")
    sh("modprobe", "-a", "bridge", "veth", "nfsv4", "blocklayoutdriver")
    started = time.monotonic()
    run = Run(chosen, args)
    run.world.up()
    print(f"--- Linux {os.uname().release}, {args.type} layouts, server {args.server}, up after {time.monotonic() - started:.0f} s", flush=True)
    run.all()
    put("/out/dmesg", "\n".join(Watch.kernel()).encode())
    return min(run.failed, 90)


if __name__ == "__main__":
    sys.exit(main())
