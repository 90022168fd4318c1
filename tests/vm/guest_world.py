# SPDX-License-Identifier: Apache-2.0
"""What scenarios work with: the shared disks, the server on some of them, clients with paths of their own; and what they
may ask of the clients' counters, the disks' keys and the blocks on the disks.
"""

import json
import os
import re
import signal
import subprocess
import time

from guest_cache import VolatileDisk
from guest_client import Client, SERVER, Work, resend_soon
from guest_lib import MIB, get, put, registered, same, sh
from guest_path import PATHS
from guest_pattern import BLOCK, first_wrong, write_ranges
from guest_scenario import DISKS
from guest_server import Lamina

BAD_MESSAGES = re.compile(r"BUG|WARNING|Oops|blocked for more|I/O error|reservation conflict|NFS:.*(error|fail|lost)", re.I)
# Linux before 6.13 says so of each of the names below /dev/disk/by-id that it tries in vain before the right one.
HARMLESS = re.compile(r"pNFS: failed to open device /dev/disk/by-id/(dm-uuid-mpath-|wwn-)")
COUNTED = ("LAYOUTGET", "LAYOUTCOMMIT", "LAYOUTRETURN", "READ", "READ_PLUS", "WRITE", "COMMIT")


def size_of(device):
    """In bytes."""
    return int(get(f"/sys/block/{os.path.basename(device)}/size")) * 512


class World:
    """The guest.  clients, dir and server belong to the scenario that runs."""

    def __init__(self, kind, disks, paths, server=Lamina):
        self.kind = kind
        self.server_class = server
        self.driver = "LAYOUT_BLOCK_VOLUME" if kind == "block" else "LAYOUT_SCSI"
        self.reserved = kind != "block"
        self.cache = VolatileDisk(DISKS["volatile"] * MIB) if "volatile" in disks else None
        self.disks = {}  # name: (link, the server's device, each client's device)
        lines = sh("bash", "/guest/guest_disks.sh", kind, str(paths + 1), *(f"{name}:{DISKS[name]}" for name in disks))
        for line in lines.split("\n"):
            if line.startswith("disk "):
                _, name, link, device, *others = line.split()
                self.disks[name] = (link, device, others)
        same(sorted(self.disks), sorted(disks), "disks")
        for name, (_, server_device, others) in self.disks.items():
            sizes = [size_of(device) for device in (server_device, *others)]
            same(sizes, [DISKS[name] * MIB] * (paths + 1), f"sizes of {name}, on each path")
        self.all_clients = [Client(n, {link: others[n - 1] for link, _, others in self.disks.values()}) for n in range(1, paths + 1)]
        self.clients = []
        self.server = None
        self.volume = None
        self.mounted = set()
        self.client_keys = {}
        self.notes = []
        self.dir = None
        self.may_complain = False
        self.version = "4.2"
        self.long = False
        self.seed = 1

    def up(self):
        resend_soon()
        # With an address of its own: otherwise it takes one of its ports', and another when a client begins anew.
        sh("ip", "link", "add", "br0", "address", "02:4c:4d:00:00:01", "type", "bridge")
        sh("ip", "addr", "add", f"{SERVER}/24", "dev", "br0")
        sh("ip", "link", "set", "br0", "up")
        for client in self.all_clients:
            client.up(blkmapd=self.kind == "block")

    @property
    def device(self):
        """The first disk of the volume on the server's path."""
        return self.server.devices[0]

    def device_of(self, client, disk=0):
        """A disk of the volume on the client's path."""
        return self.disks[self.volume[0][disk]][2][client.n - 1]

    def path(self, client=None):
        """The way that a client, or the server, has to all disks."""
        index = client.n if client else 0
        return PATHS[self.kind](index + 1, [(server, *others)[index] for _, server, others in self.disks.values()])

    def mend(self, client=None, renew=False):
        """A path that was cut works again; with renew nobody has a device open there any more."""
        path = self.path(client)
        if renew:
            path.renew()
        else:
            path.mend()
        for (name, (link, server, others)), device in zip(self.disks.items(), path.devices):
            if client:
                others[client.n - 1] = client.links[link] = device
            else:
                self.disks[name] = link, device, others
        if client:
            client.relink()
        else:
            self.server.devices = [self.disks[name][1] for name in self.volume[0]]
            self.server.configure()

    def serve(self, volume):
        """A new, empty volume; clients of the old one must be gone."""
        names, config, spare, *_ = volume
        self.volume = volume
        for name in spare:
            # Of another scenario's volume perhaps.
            sh("dd", "if=/dev/zero", f"of={self.disks[name][1]}", "bs=1M", "count=4", "oflag=direct")
        self.server = self.server_class([self.disks[name][1] for name in names], self.kind, config)
        self.server.start()
        self.server_keys = self.keys() | self.server.keys
        self.client_keys = {}
        same(len(self.server_keys), 1 if self.reserved else 0, "keys before the first client")

    def leave(self):
        """Everybody unmounts and the server stops: nothing is left of them on the disk, and the volume is clean."""
        problems = []
        for client in list(self.mounted):
            try:
                self.umount(client)
            except AssertionError as e:
                problems.append(str(e))
        self.server.stop()
        if self.reserved and self.keys() - self.server_keys:
            problems.append(f"keys left: {self.keys() - self.server_keys}")
        problems.append(self.server.check())
        self.volume = None
        return "; ".join(filter(None, problems)) or None

    def mount(self):
        """Mount where that is not so; a small direct write makes each client find the disk in its own name space."""
        for client in self.clients:
            if client in self.mounted:
                continue
            client.mount(self.version)
            self.mounted.add(client)
            before = self.keys()
            # Who had no path when it was to unregister.
            kept = before & {self.client_keys.get(client)}
            self._warm(client, kept)
            same(client.counters()["pnfs"], self.driver, f"the layout driver of client {client.n}")
            news = self.keys() - before - self.server.keys
            if kept:
                same(news, set(), f"keys that client {client.n} registered besides the one that it had")
            elif self.reserved:
                same(len(news), 1, f"keys that client {client.n} registered")
                self.client_keys[client] = news.pop()

    def take_path(self, client, disk):
        """The client finds this disk no more, and all the others; it is not mounted, or has found them already."""
        client.show({link: name != disk for name, (link, _, _) in self.disks.items()})
        client.lacks = disk

    def _warm(self, client, kept):
        """Files are spread over the disks: as many as it takes until the client has used each that it has a path to.

        One that has the key kept already does not show when it is used: there only one file is written.
        """
        found = [self.disks[name][1] for name in self.volume[0] if name != client.lacks]
        before = {device: self.keys(device) for device in found}
        for number in range(50):
            client.run(write_ranges, f"/mnt/warm{client.n}.{number}", 1, [(0, 4096)])
            before = {device: keys for device, keys in before.items() if self.keys(device) == keys and not kept & keys}
            if not before or not self.reserved:
                return
        raise AssertionError(f"client {client.n} registered no key with {list(before)}")

    def umount(self, client):
        client.umount()
        self.mounted.discard(client)

    def keys(self, device=None):
        """Reservation keys registered on a disk (the volume's first), as the disk itself says; without those that are 0."""
        device = device or self.device
        if self.kind == "scsi":
            return registered(device)
        if self.kind == "nvme":
            text = sh("nvme", "resv-report", device, "--eds", "--output-format=json")
            return {hex(c["rkey"]) for c in json.loads(text).get("regctlext", []) if c["rkey"]}
        return set()

    def all_keys(self):
        return self.server_keys | {self.client_keys[c] for c in self.mounted if self.reserved}

    def same_keys(self, what, gone=None):
        """Everybody but gone is registered, and nobody else."""
        same(self.keys(), self.all_keys() - {self.client_keys.get(gone)}, what)

    def unfenced(self):
        """Nobody is fenced, and everybody is registered."""
        self.same_keys("keys on the disk")
        same(self.server.status()["layouts"]["fences"], [], "fences")

    def on_disk(self, path, wanted):
        """The blocks of a file, read from the disks by the map that `lamina dump` shows, hold these (offset, length, tags).

        The file was committed: what is not written in the map must be tag 0.
        """
        inode = self.clients[0].run(os.stat, path).st_ino
        runs = self.server.map(inode)
        for begin, length, tags in wanted:
            for offset in range(begin, begin + length, BLOCK << 8):
                size = min(BLOCK << 8, begin + length - offset)
                why = first_wrong(self._raw(runs, offset, size), offset, tags)
                if why:
                    raise AssertionError(f"{path} on the disk: {why}")

    def _raw(self, runs, offset, length):
        data = bytearray(length)
        for run in runs:
            begin = max(run["offset"] * BLOCK, offset)
            end = min((run["offset"] + run["blocks"]) * BLOCK, offset + length)
            if begin >= end or run["state"] != "written":
                continue
            index, block = map(int, run["address"].split(":"))
            at = block * BLOCK + begin - run["offset"] * BLOCK
            with open(self.server.devices[index], "rb", buffering=0) as disk:
                os.posix_fadvise(disk.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                data[begin - offset : end - offset] = os.pread(disk.fileno(), end - begin, at)
        return bytes(data)

    def note(self, text):
        """Told with the verdict, and at once in /out/notes."""
        self.notes.append(text)
        self.log(text)

    def log(self, text):
        with open("/out/notes", "a", encoding="utf-8") as file:
            file.write(f"{time.monotonic():.1f} {text}\n")

    def cost(self, client, before, what, *, most_gets=None, least_gets=None, through=0):
        """What client sent since its counters were before, as a dictionary.

        None of its data may have gone through the server, or this many requests; None: any number.
        """
        now = client.counters()
        spent = {name: now.get(name, 0) - before.get(name, 0) for name in COUNTED}
        self.note(f"{what}: " + " ".join(f"{name} {number}" for name, number in spent.items() if number or name in ("READ", "WRITE")))
        if through is not None:
            same(spent["READ"] + spent["READ_PLUS"] + spent["WRITE"], through, f"{what}: READ and WRITE through the server")
        if most_gets is not None and spent["LAYOUTGET"] > most_gets:
            raise AssertionError(f"{what}: {spent['LAYOUTGET']} LAYOUTGETs, more than {most_gets}")
        if least_gets is not None and spent["LAYOUTGET"] < least_gets:
            raise AssertionError(f"{what}: {spent['LAYOUTGET']} LAYOUTGETs, less than {least_gets}")
        return spent

    def kill_works(self):
        """What a scenario that failed has left at work, so that it does not harm the next."""
        for client in self.all_clients:
            client.kill()
            for work in client.works:
                work.failure(20)

    @staticmethod
    def start(function, *args):
        """In the guest itself, which sees the mounts of all clients as client.root."""
        return Work(lambda: None, function, args)

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
        self.dump = subprocess.Popen(["tcpdump", "-Z", "root", "-i", "br0", "--immediate-mode", "-U", "-s", "1200", "-w", self.packets, "port 2049"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def kernel():
        return subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True).stdout.splitlines()

    def bad_messages(self):
        return [m for m in self.kernel()[self.messages:] if BAD_MESSAGES.search(m) and not HARMLESS.search(m)]

    def end(self, world, why):
        self.dump.send_signal(signal.SIGINT)
        self.dump.wait()
        if why is None:
            os.unlink(self.packets)
            return
        put(f"/out/{self.name}.dmesg", "\n".join(self.kernel()[self.messages:]).encode())
        put(f"/out/{self.name}.status", json.dumps(world.server and world.server.status(), indent=1).encode())
