#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs in the guest: two NFS clients, one per network name space, and the tests that use them.

Client 1 is mounted at /mnt/1, client 2 at /mnt/2.  --list works anywhere.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
import traceback

import guest_tests  # noqa: F401 (importing registers the tests)
import guest_load  # noqa: F401
from guest_lib import Skip, TESTS, get, put, recoveries, same, sh, test



class Setup:
    def __init__(self, args):
        self.args = args
        self.minor = int(args.vers.split(".")[1])

    def options(self, vers=None):
        return f"vers={vers or self.args.vers},port={self.args.port},proto=tcp,hard,sec=sys,noresvport"

    def in_client(self, n, *command):
        return sh("nsenter", f"--net=/run/netns/c{n}", *command)

    def mount(self, n, at, vers=None):
        os.makedirs(at, exist_ok=True)
        self.in_client(n, "mount", "-t", "nfs4", "-o", self.options(vers), f"{self.args.host}:{self.args.path}", at)

    def client_up(self, n):
        """A name space with its own network card, and its own name as a client."""
        sh("ip", "netns", "add", f"c{n}")
        mac = f"52:54:00:00:00:0{n}"
        card = next(c for c in os.listdir("/sys/class/net") if open(f"/sys/class/net/{c}/address").read().strip() == mac)
        sh("ip", "link", "set", card, "netns", f"c{n}")
        if self.args.server == "knfsd":
            # To the server in this same guest through a pair of virtual cards.
            sh("ip", "link", "add", f"v{n}", "type", "veth", "peer", "name", "server", "netns", f"c{n}")
            sh("ip", "addr", "add", f"192.0.{n}.1/24", "dev", f"v{n}")
            sh("ip", "link", "set", f"v{n}", "up")
            self.in_client(n, "ip", "addr", "add", f"192.0.{n}.2/24", "dev", "server")
            self.in_client(n, "ip", "link", "set", "server", "up")
            self.in_client(n, "ip", "route", "add", "default", "via", f"192.0.{n}.1")
        else:
            self.in_client(n, "ip", "addr", "add", "10.0.2.15/24", "dev", card)
            self.in_client(n, "ip", "link", "set", card, "up")
        self.in_client(n, "ip", "link", "set", "lo", "up")
        sh("ip", "netns", "exec", f"c{n}", "sh", "-c", f"echo client{n} >/sys/fs/nfs/net/nfs_client/identifier")


def knfsd_up(args):
    """The kernel's own server, on XFS on the first virtual disk."""
    sh("modprobe", "xfs")
    sh("modprobe", "virtio_blk")
    sh("modprobe", "nfsd")
    for path in ("/srv/x", "/var/lib/nfs/v4recovery", "/run/rpc_pipefs"):
        os.makedirs(path, exist_ok=True)
    sh("mkfs.xfs", "-q", "-f", "-m", "reflink=1", "/dev/vda")
    sh("mount", "-t", "xfs", "/dev/vda", "/srv/x")
    sh("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
    for name in ("etab", "rmtab"):
        put(f"/var/lib/nfs/{name}", b"")
    put("/etc/exports", b"/srv/x *(rw,no_root_squash,insecure,fsid=0,no_subtree_check,sync)\n")
    put("/etc/nfs.conf", b"[mountd]\nmanage-gids=n\n")
    sh("rpcbind", "-w")
    sh("exportfs", "-ra")
    sh("rpc.mountd", "-N", "2", "-N", "3")
    subprocess.run(["nfsdcld"], check=False)
    sh("rpc.nfsd", "-N", "3", "-V", "4", "--grace-time", "10", "--lease-time", "10", "8")


def all_recoveries():
    """How often the clients had to make themselves known to the server, since boot."""
    found = {}
    for n in (1, 2):
        text = sh("nsenter", f"--net=/run/netns/c{n}", "cat", "/proc/self/net/rpc/nfs")
        found |= {f"{name} by client {n}": count for name, count in recoveries(text).items()}
    return found


SUSPICIOUS = re.compile(r"grace|reclaim|recover|not responding|nfs.*(error|fail|lost|expired|unhandled)|BUG|WARNING|Oops|"
                        r"blocked for more|sequence|state manager", re.I)


def kernel_messages():
    return subprocess.run(["dmesg"], stdout=subprocess.PIPE, text=True).stdout.splitlines()


def run_one(setup, name):
    """Run a test in a child of its own: its time is limited.  Returns None, or why it failed; Skip passes through."""
    function, limit, since, _ = TESTS[name]
    if setup.minor < since:
        raise Skip(f"needs 4.{since}")
    dirs = [f"/mnt/{n}/{name}-{setup.args.vers}" for n in (1, 2)]
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            os.makedirs(dirs[0])
            os.listdir(dirs[1])
            function(setup, *dirs)
            os._exit(0)
        except BaseException:
            lines = traceback.format_exc().strip().splitlines()
            where = [x.strip() for x in lines if "in test_" in x]
            print(f"    {(where or ['?'])[-1]}\n    {lines[-1]}", flush=True)
            os._exit(1)
    end = time.monotonic() + limit * setup.args.patience
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return None if status == 0 else "failed"
        time.sleep(0.02)
    stack = subprocess.run(f"cat /proc/{pid}/stack", shell=True, stdout=subprocess.PIPE, text=True).stdout
    print("    " + stack.replace("\n", "\n    "), flush=True)
    os.kill(pid, signal.SIGKILL)
    return f"not finished after {limit * setup.args.patience:.0f} s"


def kill_count():
    return int(get("/out/kills") if os.path.exists("/out/kills") else 0)


def run(setup, names):
    failed = 0
    kills = setup.args.kill and any(TESTS[n][3] for n in names)
    for name in sorted(names, key=lambda n: TESTS[n][3]):
        if kills and TESTS[name][3] and not os.path.exists("/out/kill"):
            before, killed_before = all_recoveries(), kill_count()
            put("/out/kill", b"")
        started = time.monotonic()
        messages = len(kernel_messages())
        try:
            why = run_one(setup, name)
            verdict = "ok" if why is None else "FAILED"
        except Skip as skip:
            why, verdict = str(skip), "skipped"
        news = [m for m in kernel_messages()[messages:] if SUSPICIOUS.search(m)]
        if news and verdict == "ok":
            why, verdict = "kernel messages: " + " | ".join(news[:5]), "FAILED"
        failed += verdict == "FAILED"
        print(f"{verdict:7} {name:18} {time.monotonic() - started:7.1f} s  {why or ''}", flush=True)
    if kills:
        os.unlink("/out/kill")
        time.sleep(1)
        count = kill_count() - killed_before
        after = all_recoveries()
        news = [f"{k} {after[k] - before[k]} times" for k in after if after[k] != before[k]]
        verdict = "FAILED" if news or count == 0 else "ok"
        failed += verdict == "FAILED"
        print(f"{verdict:7} {'unnoticed':18} server killed {count} times  {', '.join(news)}", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--host", default="10.0.2.2")
    parser.add_argument("--port", default="2049")
    parser.add_argument("--path", default="/")
    parser.add_argument("--vers", default="4.2")
    parser.add_argument("--server", default="lamina")
    parser.add_argument("--names", type=int, default=100000)
    parser.add_argument("--load-seconds", type=int, default=20)
    parser.add_argument("--files", type=int, default=150, help="in the trees of git and tar")
    parser.add_argument("--patience", type=float, default=1)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("tests", nargs="*")
    args = parser.parse_args()
    if args.list:
        for name, (function, _, since, killed) in TESTS.items():
            marks = ("  [4.2]" if since == 2 else "") + ("  [server killed meanwhile]" if killed else "")
            print(f"{name:18} {function.__doc__}{marks}")
        return 0
    os.umask(0o022)
    for module in ("nfs", "nfsv4"):
        sh("modprobe", module)
    if args.server == "knfsd":
        knfsd_up(args)
    failed = 0
    versions = args.vers.split(",")
    setup = None
    for vers in versions:
        args.vers = vers
        first = setup is None
        setup = Setup(args)
        for n in (1, 2):
            if args.server == "knfsd":
                args.host = f"192.0.{n}.1"
            if first:
                setup.client_up(n)
            setup.mount(n, f"/mnt/{n}")
        print(f"--- Linux {os.uname().release}, NFS {vers}, server {args.server}", flush=True)
        failed += run(setup, args.tests or list(TESTS))
        for n in (1, 2):
            out = subprocess.run(["umount", f"/mnt/{n}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if out.returncode:
                print(f"FAILED  umount of client {n}: {out.stdout}", flush=True)
                failed += 1
    with open("/out/dmesg", "w") as file:
        file.write("\n".join(kernel_messages()) + "\n")
    return min(failed, 90)


if __name__ == "__main__":
    sys.exit(main())
