# SPDX-License-Identifier: Apache-2.0
"""Kernel clients of one guest, each in a network and a mount name space of its own, with its own path to the disk."""

import ctypes
import glob
import os
import pickle
import re
import select
import signal
import subprocess
import time
import traceback

from guest_lib import get, put, recoveries, sh

CLONE_NEWNS = 0x20000
PIPE_SIZE = 65536
CLONE_NEWNET = 0x40000000
SERVER = "192.0.2.1"
libc = ctypes.CDLL(None, use_errno=True)


def check_call(result, what):
    if result:
        raise OSError(ctypes.get_errno(), what)


class Work:
    """A function that runs in a process of its own; wait() hands back its result, or raises what it raised."""

    def __init__(self, enter, function, args):
        read_end, write_end = os.pipe()
        self.what, self.started = function.__name__, time.monotonic()
        self.result = None
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read_end)
            try:
                enter()
                answer = (True, function(*args))
            except BaseException as e:
                where = traceback.extract_tb(e.__traceback__)[-1]
                answer = (False, f"{type(e).__name__}: {e} ({where.name}:{where.lineno})")
            told = pickle.dumps(answer)
            if len(told) > PIPE_SIZE:
                told = pickle.dumps((False, f"a result of {len(told)} bytes, and nobody reads it before this ends"))
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(told)
            os._exit(0)
        os.close(write_end)
        self.pipe = read_end
        self.exit = os.pidfd_open(self.pid)

    def done(self):
        if self.result is None and os.waitpid(self.pid, os.WNOHANG)[0]:
            os.close(self.exit)
            with os.fdopen(self.pipe, "rb") as pipe:
                self.result = pickle.loads(pipe.read() or pickle.dumps((False, "killed")))
        return self.result is not None

    def wait(self, limit=240):
        if not self.done():
            select.select([self.exit], [], [], limit)
        if not self.done():
            with open(f"/proc/{self.pid}/stack", encoding="ascii") as file:
                stack = " < ".join(re.sub(r"^\[<0>\] ([^+]*).*", r"\1", line) for line in file.read().split("\n")[:8])
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"{self.what} is not finished after {time.monotonic() - self.started:.0f} s: {stack}")
        if not self.result[0]:
            raise AssertionError(f"{self.what}: {self.result[1]}")
        return self.result[1]

    def failure(self, limit=240):
        """What went wrong, or None."""
        try:
            self.wait(limit)
        except AssertionError as e:
            return str(e)
        return None


class Client:
    """Number n, at 192.0.2.1n; sees its paths to the disks as /dev/disk/by-id/LINK, and mounts the server at /mnt."""

    def __init__(self, n, links):
        self.n, self.links = n, links
        self.holder = None
        self.works = []
        self.lacks = ""

    @property
    def address(self):
        return f"192.0.2.1{self.n}"

    @property
    def root(self):
        """Its mount as a path for any program of the guest."""
        return f"/proc/{self.holder}/root/mnt"

    def up(self, blkmapd):
        n = self.n
        sh("ip", "netns", "add", f"c{n}")
        sh("ip", "link", "add", f"v{n}", "type", "veth", "peer", "name", "eth0", "netns", f"c{n}")
        sh("ip", "link", "set", f"v{n}", "master", "br0", "up")
        sh("ip", "-n", f"c{n}", "addr", "add", f"{self.address}/24", "dev", "eth0")
        for card in ("lo", "eth0"):
            sh("ip", "-n", f"c{n}", "link", "set", card, "up")
        read_end, write_end = os.pipe()
        self.holder = os.fork()
        if self.holder == 0:
            try:
                self._hold(blkmapd)
                os.write(write_end, b"+")
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            while True:
                signal.pause()
        os.close(write_end)
        if os.read(read_end, 1) != b"+":
            raise AssertionError(f"client {n} can't be set up")
        os.close(read_end)

    def _hold(self, blkmapd):
        """The process that keeps the name spaces.  The disk's name exists nowhere else: nobody takes another's path."""
        with open(f"/run/netns/c{self.n}", "rb") as net:
            check_call(libc.setns(net.fileno(), CLONE_NEWNET), "setns")
        check_call(libc.unshare(CLONE_NEWNS), "unshare")
        sh("mount", "--make-rprivate", "/")
        os.makedirs("/dev/disk", exist_ok=True)
        sh("mount", "-t", "tmpfs", "t", "/dev/disk")
        os.mkdir("/dev/disk/by-id")
        self._link()
        sh("mount", "-t", "sysfs", "s", "/sys")
        # Only the server has these; blkmapd looks at all disks.
        for device in glob.glob("/dev/dm-*"):
            sh("mount", "--bind", "/dev/null", device)
        put("/sys/fs/nfs/net/nfs_client/identifier", f"client{self.n}".encode())
        resend_soon()
        if blkmapd:
            os.makedirs("/var/lib/nfs/rpc_pipefs", exist_ok=True)
            os.makedirs("/run/rpc_pipefs", exist_ok=True)
            sh("mount", "-t", "rpc_pipefs", "r", "/run/rpc_pipefs")
            sh("mount", "--bind", "/run/rpc_pipefs", "/var/lib/nfs/rpc_pipefs")
            with open(f"/out/blkmapd.{self.n}", "wb") as log:
                subprocess.Popen(["blkmapd", "-f"], stdout=log, stderr=log)
            time.sleep(2)

    def _link(self):
        show_links({link: device for link, device in self.links.items() if link != "-"})

    def relink(self):
        """Its devices may have other names now."""
        self.run(self._link)

    def show(self, links):
        """Which of its disks it finds: {link: bool}."""
        self.run(show_links, {link: self.links[link] if shown else None for link, shown in links.items() if link != "-"})

    def _enter(self):
        for name, flag in (("net", CLONE_NEWNET), ("mnt", CLONE_NEWNS)):
            with open(f"/proc/{self.holder}/ns/{name}", "rb") as space:
                check_call(libc.setns(space.fileno(), flag), "setns")

    def start(self, function, *args):
        work = Work(self._enter, function, args)
        self.works = [w for w in self.works if w.result is None] + [work]
        return work

    def run(self, function, *args, limit=240):
        return self.start(function, *args).wait(limit)

    def sh(self, *command, limit=240):
        return self.run(sh, *command, limit=limit)

    def mount(self, version="4.2", at="/mnt", options="hard", server=SERVER):
        self.sh("mount", "-t", "nfs4", "-o", f"vers={version},proto=tcp,sec=sys,{options}", f"{server}:/", at)

    def umount(self, limit=120, at="/mnt"):
        self.sh("umount", at, limit=limit)

    def cut(self):
        """Nothing goes to or comes from the server any more; the disk stays."""
        sh("ip", "link", "set", f"v{self.n}", "down")

    def mend(self):
        sh("ip", "link", "set", f"v{self.n}", "up")

    def kill(self):
        """All that runs there."""
        for work in self.works:
            if not work.done():
                os.kill(work.pid, signal.SIGKILL)

    def reboot(self):
        """Its kernel forgets the mount without a word to the server, which it can't reach, and it begins anew."""
        self.run(forget)
        for work in self.works:
            work.failure()
        os.kill(self.holder, signal.SIGKILL)
        os.waitpid(self.holder, 0)
        sh("ip", "link", "del", f"v{self.n}")
        sh("ip", "netns", "del", f"c{self.n}")
        self.up(blkmapd=False)

    def counters(self, at="/mnt"):
        """How often each operation was sent by the mount there, and which layout driver it has: {"WRITE": 0, "pnfs": ...}"""
        return counters_of(get(f"/proc/{self.holder}/mountstats").decode(), at)

    def recoveries(self):
        """How often it had to make itself known to the server, by operation."""
        return recoveries(get(f"/proc/{self.holder}/net/rpc/nfs").decode())


def resend_soon():
    """Who was cut off is not silent for as long again when it could go on; where the kernel can be told so (Linux 6.15)."""
    if os.path.exists("/proc/sys/net/ipv4/tcp_rto_max_ms"):
        put("/proc/sys/net/ipv4/tcp_rto_max_ms", b"1000")


def show_links(links):
    """The names of disks that are there from now on: {name: device, or None}."""
    for link, device in links.items():
        path = f"/dev/disk/by-id/{link}"
        if os.path.islink(path):
            os.unlink(path)
        if device:
            os.symlink(device, path)


def forget():
    """Requests of the mount fail from now on (Linux 6.5), so it can go."""
    for shutdown in glob.glob("/sys/fs/nfs/*/shutdown"):
        put(shutdown, b"1")
    sh("umount", "-f", "-l", "/mnt")


def counters_of(text, at):
    """What the text of a name space's /proc/PID/mountstats says of the mount there."""
    found = re.search(rf"^device \S+ mounted on {at} with fstype nfs4.*?(?=^device|\Z)", text, re.M | re.S)
    if not found:
        raise AssertionError(f"{at} is not mounted")
    counts = {name: int(number) for name, number in re.findall(r"^\s+([A-Z_]+): (\d+) ", found.group(0), re.M)}
    counts["pnfs"] = re.search(r"pnfs=([^,\n]*)", found.group(0)).group(1)
    return counts
