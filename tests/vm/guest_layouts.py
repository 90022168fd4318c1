#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs in the guest for tests/vm/layouts: the shared disk, the server on it, two kernel clients with paths of their
own, and the scenarios.  --list works anywhere.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback

import guest_layout_tests  # noqa: F401 (importing registers the scenarios)
from guest_client import Client, SERVER
from guest_lib import Skip, TESTS, put, same, sh
from guest_pattern import write_ranges

LAMINA = "/guest/lamina"
SIZE_MIB = 900
LEASE = 15
BAD_MESSAGES = re.compile(r"BUG|WARNING|Oops|blocked for more|I/O error|reservation conflict|NFS:.*(error|fail|lost)", re.I)


class Server:
    """lamina serve in this guest.  A supervisor starts it again whenever it was killed."""

    def __init__(self, device, kind):
        self.device = device
        self.layouts = "block" if kind == "block" else "scsi"
        self.supervisor = None

    def start(self):
        put("/tmp/lamina.conf", f"""
            devices = [ "{self.device}" ];
            listen = [ "{SERVER}:2049" ];
            lease_seconds = {LEASE};
            exports = ( {{ path = "/"; clients = ( {{ hosts = [ "192.0.2.0/24" ]; squash = "none"; layouts = [ "{self.layouts}" ]; }} ); }} );
            """.encode())
        sh(LAMINA, "format", "-q", "-f", self.device)
        self.supervisor = os.fork()
        if self.supervisor == 0:
            self._supervise()
        end = time.monotonic() + 60
        while self.status() is None:
            if time.monotonic() > end:
                raise AssertionError("the server does not start")
            time.sleep(0.2)

    def _supervise(self):
        while not os.path.exists("/tmp/stop"):
            with open("/out/serve.log", "ab") as log:
                server = subprocess.Popen([LAMINA, "serve", "-c", "/tmp/lamina.conf"], stdout=log, stderr=log)
            put("/tmp/server.pid", str(server.pid).encode())
            result = server.wait()
            if result != -signal.SIGKILL and not os.path.exists("/tmp/stop"):
                put("/tmp/ended", f"the server ended by itself with {result}".encode())
                time.sleep(1)
        os._exit(0)

    def pid(self):
        with open("/tmp/server.pid", encoding="ascii") as file:
            return int(file.read())

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)

    def stop(self):
        put("/tmp/stop", b"")
        os.kill(self.pid(), signal.SIGTERM)
        os.waitpid(self.supervisor, 0)

    def status(self):
        """What it says of itself; None if it says nothing."""
        done = subprocess.run(["timeout", "60", LAMINA, "status", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else None


class World:
    def __init__(self, args):
        self.args = args
        self.kind = args.type
        self.driver = "LAYOUT_BLOCK_VOLUME" if self.kind == "block" else "LAYOUT_SCSI"
        self.reserved = self.kind != "block"
        out = sh("bash", "/guest/guest_disks.sh", self.kind, str(SIZE_MIB), "3").strip().split("\n")[-1].split()
        self.link, self.device, paths = out[0], out[1], out[2:]
        self.server = Server(self.device, self.kind)
        self.clients = [Client(n + 1, path, self.link) for n, path in enumerate(paths)]
        self.mounted = set()
        self.client_keys = {}
        self.without_key = set()
        self.notes = []
        self.dir = None

    def up(self):
        sh("ip", "link", "add", "br0", "type", "bridge")
        sh("ip", "addr", "add", f"{SERVER}/24", "dev", "br0")
        sh("ip", "link", "set", "br0", "up")
        self.server.start()
        self.server_keys = self.keys()
        same(len(self.server_keys), 1 if self.reserved else 0, "keys before the first client")
        for client in self.clients:
            client.up(blkmapd=self.kind == "block")

    def mount(self):
        """Mount where that is not so; a small direct write makes each client find the disk in its own name space."""
        for client in self.clients:
            if client in self.mounted:
                continue
            # It keeps who unregistered, with key 0, and refuses another key (Linux up to 7.2 at least).
            if self.kind == "nvme" and client in self.client_keys:
                raise Skip("the kernel's NVMe target takes no key of a host that has unregistered")
            client.mount()
            self.mounted.add(client)
            before = self.keys()
            client.run(write_ranges, f"/mnt/warm{client.n}", 1, [(0, 4096)])
            same(client.counters()["pnfs"], self.driver, f"the layout driver of client {client.n}")
            news = self.keys() - before
            if self.reserved:
                same(len(news), 1, f"keys that client {client.n} registered")
                self.client_keys[client] = news.pop()

    def umount(self, client):
        client.umount()
        self.mounted.discard(client)

    def keys(self):
        """Reservation keys registered on the disk, as the disk itself says; without those that are 0."""
        if self.kind == "scsi":
            text = sh("sg_persist", "--no-inquiry", "--in", "--read-keys", self.device)
            return set(re.findall(r"^\s+(0x[0-9a-f]+)$", text, re.M))
        if self.kind == "nvme":
            text = sh("nvme", "resv-report", self.device, "--eds", "--output-format=json")
            return {hex(c["rkey"]) for c in json.loads(text).get("regctlext", []) if c["rkey"]}
        return set()

    def all_keys(self):
        return self.server_keys | {self.client_keys[c] for c in self.mounted - self.without_key if self.reserved}

    def same_keys(self, what, gone=None):
        """Everybody but gone is registered, and nobody else; who was fenced once may be so again some time later."""
        late = {self.client_keys[c] for c in self.without_key & self.mounted if c is not gone}
        same(self.keys() - late, self.all_keys() - {self.client_keys.get(gone)}, what)

    def unfenced(self):
        """Nobody is fenced, and everybody is registered."""
        self.same_keys("keys on the disk")
        same(self.server.status()["layouts"]["fences"], [], "fences")

    def note(self, text):
        """Told with the verdict, and at once in /out/notes."""
        self.notes.append(text)
        self.log(text)

    def log(self, text):
        with open("/out/notes", "a", encoding="utf-8") as file:
            file.write(f"{time.monotonic():.1f} {text}\n")

    def cost(self, client, before, what, *, most_gets=None, least_gets=None, through=0):
        """What client sent since its counters were before.  None of its data may have gone through the server, or through."""
        now = client.counters()
        spent = {name: now.get(name, 0) - before.get(name, 0)
                 for name in ("LAYOUTGET", "LAYOUTCOMMIT", "READ", "READ_PLUS", "WRITE", "COMMIT")}
        self.note(f"{what}: " + " ".join(f"{name} {number}" for name, number in spent.items() if number or name in ("READ", "WRITE")))
        if through is not None:
            same(spent["READ"] + spent["READ_PLUS"] + spent["WRITE"], through, f"{what}: READ and WRITE through the server")
        if most_gets is not None and spent["LAYOUTGET"] > most_gets:
            raise AssertionError(f"{what}: {spent['LAYOUTGET']} LAYOUTGETs, more than {most_gets}")
        if least_gets is not None and spent["LAYOUTGET"] < least_gets:
            raise AssertionError(f"{what}: {spent['LAYOUTGET']} LAYOUTGETs, less than {least_gets}")

    @staticmethod
    def drop_caches():
        """Pages only, and no sync: that, and an inode with a layout that goes, would wait for a client that is cut off."""
        put("/proc/sys/vm/drop_caches", b"1")


class Watch:
    """Looks on during a scenario: packets, kernel messages; keeps them if it fails."""

    def __init__(self, name):
        self.name = name
        self.messages = len(self.kernel())
        self.packets = f"/out/{name}.pcap"
        self.dump = subprocess.Popen(["tcpdump", "-Z", "root", "-i", "br0", "-U", "-s", "1200", "-w", self.packets, "port 2049"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def kernel():
        return subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True).stdout.splitlines()

    def bad_messages(self):
        return [m for m in self.kernel()[self.messages:] if BAD_MESSAGES.search(m)]

    def end(self, world, why):
        self.dump.send_signal(signal.SIGINT)
        self.dump.wait()
        if why is None:
            os.unlink(self.packets)
            return
        put(f"/out/{self.name}.dmesg", "\n".join(self.kernel()[self.messages:]).encode())
        put(f"/out/{self.name}.status", json.dumps(world.server.status(), indent=1).encode())


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


def run_one(world, name):
    """Why it failed, or None; Skip passes through."""
    world.notes = []
    watch = Watch(name)
    why = "ended early"
    try:
        world.mount()
        world.dir = f"/mnt/{name}"
        world.clients[0].run(os.makedirs, world.dir)
        world.may_complain = False
        world.log(f"--- {name}")
        TESTS[name][0](world)
        bad = watch.bad_messages()
        why = "kernel messages: " + " | ".join(bad[:3]) if bad and not world.may_complain else None
        if os.path.exists("/tmp/ended"):
            with open("/tmp/ended", encoding="ascii") as file:
                why = file.read()
    except Skip:
        why = None
        raise
    except Exception as e:
        where = [f for f in traceback.extract_tb(e.__traceback__) if f.name.startswith("test_")]
        blocked(f"/out/{name}.stacks")
        why = f"{e if isinstance(e, AssertionError) else repr(e)}" + (f" (line {where[-1].lineno})" if where else "")
        if not isinstance(e, AssertionError):
            traceback.print_exc()
    finally:
        watch.end(world, why)
    return why


def last_words(world):
    """Everything unmounted and stopped: only the server's key is left, then none of that; the volume is clean."""
    problems = []
    for client in list(world.mounted):
        try:
            world.umount(client)
        except AssertionError as e:
            problems.append(str(e))
    world.server.stop()
    if world.reserved and world.keys() - world.server_keys:
        problems.append(f"keys left: {world.keys() - world.server_keys}")
    done = subprocess.run([LAMINA, "check", "-q", world.device], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        problems.append(f"lamina check: exit {done.returncode}: {done.stdout.strip()[-2000:]}")
    return "; ".join(problems) or None


def report(verdict, name, seconds, why, notes):
    print(f"{verdict:7} {name:10} {seconds:6.1f} s  {why or ''}", flush=True)
    for line in notes:
        print(f"          {line}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--type", default="scsi")
    parser.add_argument("scenarios", nargs="*")
    args = parser.parse_args()
    if args.list:
        for name, (function, _, _, _) in TESTS.items():
            print(f"{name:10} {function.__doc__}")
        return 0
    os.umask(0o022)
    os.makedirs("/run/lock", exist_ok=True)
    sh("dmesg", "--console-level", "emerg")
    sh("modprobe", "-a", "bridge", "veth", "nfsv4", "blocklayoutdriver")
    started = time.monotonic()
    world = World(args)
    world.up()
    print(f"--- Linux {os.uname().release}, {args.type} layouts, up after {time.monotonic() - started:.0f} s", flush=True)
    failed = 0
    for name in args.scenarios or list(TESTS):
        started = time.monotonic()
        try:
            why = run_one(world, name)
            verdict = "ok" if why is None else "FAILED"
        except Skip as skip:
            why, verdict = str(skip), "skipped"
        failed += verdict == "FAILED"
        report(verdict, name, time.monotonic() - started, why, world.notes)
    started = time.monotonic()
    why = last_words(world)
    failed += why is not None
    report("FAILED" if why else "ok", "check", time.monotonic() - started, why, [])
    put("/out/dmesg", "\n".join(Watch.kernel()).encode())
    return min(failed, 90)


if __name__ == "__main__":
    sys.exit(main())
