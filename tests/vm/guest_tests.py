#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs in the guest: two NFS clients (one per network name space) and the tests that use them.

Client 1 is mounted at /mnt/1, client 2 at /mnt/2; each test gets an empty directory, A through client 1 and B through
client 2.  A test fails by an exception.  --list works anywhere.
"""

import argparse
import ctypes
import errno
import fcntl
import mmap
import os
import random
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import traceback

TESTS = {}
KILLED = []
MIB = 1 << 20


class Skip(Exception):
    """The test does not apply to this protocol version or server."""


def test(limit=240, since=1, killed=False):
    """Register a test: seconds it may take, first minor version, whether the server is killed meanwhile."""

    def add(function):
        name = function.__name__.replace("test_", "", 1)
        TESTS[name] = (function, limit, since, killed)
        if killed:
            KILLED.append(name)
        return function

    return add


def sh(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}: {done.stdout.strip()[-600:]}")
    return done.stdout


def same(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r:.200}, not {wanted!r:.200}")


def fails(error, what, call, *args):
    errors = error if isinstance(error, tuple) else (error,)
    names = " or ".join(errno.errorcode[e] for e in errors)
    try:
        call(*args)
    except OSError as e:
        if e.errno not in errors:
            raise AssertionError(f"{what}: {errno.errorcode[e.errno]}, not {names}") from e
        return
    raise AssertionError(f"{what}: worked, but {names} was due")


def fresh(path):
    """Attributes as the server has them now: opening asks, stat alone may answer from the client's cache."""
    with open(path, "rb") as file:
        return os.fstat(file.fileno())


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


# --- clients ---


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


# --- names and files ---


@test()
def test_mount(setup, a, b):
    """mount and umount with 4.1 and with 4.2; what was written is there after the next mount"""
    put(f"{a}/f", b"before")
    for vers in ("4.1", "4.2", "4.1"):
        at = f"/mnt/again{vers}"
        setup.mount(1, at, vers)
        line = [x for x in open("/proc/mounts") if f" {at} " in x][0]
        if f"vers={vers}" not in line:
            raise AssertionError(f"not mounted as {vers}: {line}")
        same(get(f"{at}/{os.path.basename(a)}/f"), b"before", "content")
        sh("umount", at)


@test()
def test_file(setup, a, b):
    """create, read, write in the middle, append, truncate down and up, seen by the other client after close"""
    data = noise(300000)
    put(f"{a}/f", data)
    same(get(f"{b}/f"), data, "content through the other client")
    with open(f"{a}/f", "r+b") as file:
        file.seek(1000)
        file.write(b"middle")
    with open(f"{a}/f", "ab") as file:
        file.write(b"end")
    data = data[:1000] + b"middle" + data[1006:] + b"end"
    same(get(f"{b}/f"), data, "after a write in the middle and an append")
    os.truncate(f"{b}/f", 70001)
    same(get(f"{a}/f"), data[:70001], "after truncating")
    os.truncate(f"{b}/f", 80000)
    same(get(f"{a}/f"), data[:70001] + bytes(9999), "after growing by truncate")
    drop_caches()
    same(get(f"{b}/f"), data[:70001] + bytes(9999), "read from the server again")
    fails(errno.EEXIST, "creating it exclusively", os.open, f"{b}/f", os.O_CREAT | os.O_EXCL | os.O_RDWR)


@test()
def test_append_both(setup, a, b):
    """appends by turns from both clients lose nothing"""
    wanted = b""
    for i in range(40):
        line = f"line {i}\n".encode()
        with open(f"{(a, b)[i % 2]}/log", "ab") as file:
            file.write(line)
        wanted += line
    same(get(f"{a}/log"), wanted, "the log")


@test()
def test_rename(setup, a, b):
    """rename, over a file, over an empty directory, of an open file, into another directory; errors as POSIX has them"""
    put(f"{a}/x", b"x")
    put(f"{a}/y", b"y")
    os.rename(f"{a}/x", f"{a}/y")
    same(get(f"{b}/y"), b"x", "what replaced it")
    same(os.path.exists(f"{b}/x"), False, "old name")
    os.mkdir(f"{a}/d1")
    os.mkdir(f"{a}/d2")
    os.rename(f"{a}/d1", f"{a}/d2")
    put(f"{a}/d2/f", b"f")
    os.mkdir(f"{a}/d3")
    fails((errno.ENOTEMPTY, errno.EEXIST), "rename over a full directory", os.rename, f"{a}/d3", f"{a}/d2")
    fails(errno.EINVAL, "rename into itself", os.rename, f"{a}/d2", f"{a}/d2/sub")
    with open(f"{a}/y", "rb") as file:
        os.rename(f"{b}/y", f"{b}/d2/z")
        same(file.read(), b"x", "open file that was renamed by the other client")
    same(sorted(os.listdir(f"{a}/d2")), ["f", "z"], "names in the directory")


@test()
def test_links(setup, a, b):
    """hard links, symbolic links, their counts, a link to a link"""
    put(f"{a}/f", b"one")
    os.link(f"{a}/f", f"{a}/g")
    same(os.stat(f"{b}/g").st_nlink, 2, "link count")
    same(os.stat(f"{b}/g").st_ino, os.stat(f"{b}/f").st_ino, "inode numbers")
    os.unlink(f"{a}/f")
    same(os.stat(f"{a}/g").st_nlink, 1, "link count after unlink")
    same(get(f"{b}/g"), b"one", "content of the other name")
    os.symlink("g", f"{a}/s")
    os.symlink("x" * 1000, f"{a}/long")
    same(os.readlink(f"{b}/s"), "g", "symbolic link")
    same(os.readlink(f"{b}/long"), "x" * 1000, "long symbolic link")
    same(get(f"{b}/s"), b"one", "through the symbolic link")
    os.mkdir(f"{a}/d")
    os.mkdir(f"{a}/d/e")
    same(os.stat(f"{b}/d").st_nlink, 3, "link count of a directory with one directory in it")


@test()
def test_special(setup, a, b):
    """fifo, device node and socket keep their type and numbers"""
    os.mkfifo(f"{a}/fifo")
    os.mknod(f"{a}/dev", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod(f"{a}/sock", stat.S_IFSOCK | 0o600)
    same(stat.S_ISFIFO(os.stat(f"{b}/fifo").st_mode), True, "fifo")
    same(os.stat(f"{b}/dev").st_rdev, os.makedev(1, 3), "device number")
    same(stat.S_ISSOCK(os.stat(f"{b}/sock").st_mode), True, "socket")


@test()
def test_ids(setup, a, b):
    """chmod, chown, numeric owners, set-id bits, times, and what another user may"""
    put(f"{a}/f", b"x")
    os.chown(f"{a}/f", 1234, 5678)
    os.chmod(f"{a}/f", 0o640)
    os.utime(f"{a}/f", ns=(10**18 + 1, 10**18 + 2))
    st = os.stat(f"{b}/f")
    same((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)), (1234, 5678, 0o640), "owner, group, mode")
    same((st.st_atime_ns, st.st_mtime_ns), (10**18 + 1, 10**18 + 2), "times")
    os.chmod(f"{a}", 0o777)

    def as_user(uid, gids, call, *args):
        """The error of a call made by another user in a child, or 0."""
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups(gids[1:])
                os.setresgid(gids[0], gids[0], gids[0])
                os.setresuid(uid, uid, uid)
                call(*args)
                os._exit(0)
            except OSError as e:
                os._exit(e.errno)
        return os.WEXITSTATUS(os.waitpid(pid, 0)[1])

    same(as_user(99, [99], get, f"{b}/f"), errno.EACCES, "reading by a stranger")
    same(as_user(99, [99, 5678], get, f"{b}/f"), 0, "reading by a supplementary group")
    same(as_user(99, [99, 5678], put, f"{b}/f", b"y"), errno.EACCES, "writing by a supplementary group")
    same(as_user(1234, [99], put, f"{b}/f", b"y"), 0, "writing by the owner")
    same(as_user(99, [99], put, f"{b}/new", b"y"), 0, "creating by a stranger")
    same((os.stat(f"{a}/new").st_uid, os.stat(f"{a}/new").st_gid), (99, 99), "owner of the new file")
    same(as_user(99, [99], os.chown, f"{a}/new", 0, 0), errno.EPERM, "giving a file away")
    os.chmod(a, 0o1777)
    same(as_user(98, [98], os.unlink, f"{a}/new"), errno.EPERM, "unlinking in a sticky directory")


@test(limit=1500)
def test_readdir(setup, a, b):
    """a directory of many names (--names): each once, none missing, also while names come and go"""
    count = setup.args.names
    os.mkdir(f"{a}/many")
    half = count // 2

    def create(base, first, last):
        for i in range(first, last):
            os.mkfifo(f"{base}/many/name-{i:06d}")

    started = time.monotonic()
    pids = []
    for base, first, last in ((a, 0, half), (b, half, count)):
        pid = os.fork()
        if pid == 0:
            try:
                create(base, first, last)
                os._exit(0)
            except OSError as e:
                print(f"    mkfifo: {e}", flush=True)
                os._exit(1)
        pids.append(pid)
    for pid in pids:
        same(os.waitpid(pid, 0)[1], 0, "creating")
    made = time.monotonic() - started
    drop_caches()
    started = time.monotonic()
    names = os.listdir(f"{a}/many")
    took = time.monotonic() - started
    same((len(names), len(set(names))), (count, count), "names, different names")
    same(set(names), {f"name-{i:06d}" for i in range(count)}, "the names")
    print(f"    {count} names: created in {made:.1f} s, listed in {took:.1f} s", flush=True)
    # Names that stay are seen once, whatever happens to others.
    seen = []
    with os.scandir(f"{b}/many") as entries:
        for i, entry in enumerate(entries):
            seen.append(entry.name)
            if i % (count // 50 + 1) == 0:
                os.unlink(f"{a}/many/name-{i:06d}")
                os.mkfifo(f"{a}/many/other-{i:06d}")
    gone = {f"name-{i:06d}" for i in range(0, count, count // 50 + 1)}
    stay = [n for n in seen if n.startswith("name-") and n not in gone]
    same((len(stay), len(set(stay))), (count - len(gone), count - len(gone)), "names that stayed")


@test()
def test_unlink_open(setup, a, b):
    """an unlinked open file is read and written further, without a .nfs name (RFC 8881, 18.16, PRESERVE_UNLINKED)"""
    # Other servers don't promise to keep it, so the client hides it under a name.
    known = setup.args.server == "lamina"
    with open(f"{a}/f", "w+b") as file:
        file.write(b"1234")
        file.flush()
        os.fsync(file.fileno())
        os.unlink(f"{a}/f")
        hidden = os.listdir(b)
        file.seek(2)
        file.write(b"xyz")
        file.flush()
        os.fsync(file.fileno())
        drop_caches()
        file.seek(0)
        same(file.read(), b"12xyz", "content after unlink")
        if known:
            same(hidden, [], "names left")
            same(os.fstat(file.fileno()).st_nlink, 0, "link count")
    same(os.listdir(a), [], "names after close")


@test()
def test_unlink_open_other(setup, a, b):
    """a file that the other client unlinks stays usable for who has it open"""
    put(f"{a}/f", b"1234")
    with open(f"{a}/f", "r+b") as file:
        os.unlink(f"{b}/f")
        drop_caches()
        same(file.read(), b"1234", "content")
        file.write(b"5")
        file.flush()
        os.fsync(file.fileno())


@test()
def test_mmap(setup, a, b):
    """a shared mapping writes, another client reads it, also through a mapping"""
    put(f"{a}/f", bytes(64 << 10))
    with open(f"{a}/f", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[5000:5005] = b"hello"
        memory[65535:] = b"!"
        memory.flush()
    with open(f"{b}/f", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        same((memory[4999:5006], memory[65535:]), (b"\0hello\0", b"!"), "through the other mapping")


@test()
def test_direct(setup, a, b):
    """O_DIRECT: aligned and unaligned offsets and lengths, beyond the end, and mixed with the page cache"""
    data = noise(MIB)
    buffer = mmap.mmap(-1, MIB)
    buffer.write(data)
    fd = os.open(f"{a}/f", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
    same(os.pwritev(fd, [memoryview(buffer)], 0), MIB, "direct write")
    same(os.pwritev(fd, [memoryview(buffer)[:777]], MIB + 333), 777, "unaligned direct write")
    wanted = data + bytes(333) + data[:777]
    same(get(f"{b}/f"), wanted, "content through the page cache")
    back = mmap.mmap(-1, 2 * MIB)
    same(os.preadv(fd, [memoryview(back)], 0), len(wanted), "direct read up to the end")
    same(back[: len(wanted)], wanted, "content of a direct read")
    same(os.preadv(fd, [memoryview(back)[:100]], MIB + 300), 100, "unaligned direct read")
    same(back[:100], wanted[MIB + 300 : MIB + 400], "its content")
    os.close(fd)


@test()
def test_df(setup, a, b):
    """df shows sizes, and they follow what is written"""
    before = os.statvfs(a)
    put(f"{a}/f", noise(8 * MIB))
    os.sync()
    time.sleep(1)
    after = os.statvfs(b)
    if not 0 < after.f_bavail <= after.f_bfree <= after.f_blocks or after.f_files == 0:
        raise AssertionError(f"sizes make no sense: {after}")
    used = before.f_bfree * before.f_frsize - after.f_bfree * after.f_frsize
    if used < 6 * MIB:
        raise AssertionError(f"8 MiB were written, {used} bytes less are free")
    sh("df", "-h", a)


# --- locks ---


class Flock(ctypes.Structure):
    _fields_ = [("type", ctypes.c_short), ("whence", ctypes.c_short), ("start", ctypes.c_long), ("len", ctypes.c_long),
                ("pid", ctypes.c_int)]


@test()
def test_locks(setup, a, b):
    """byte range locks exclude the other client by range and kind, also flock; unlock, split, downgrade"""
    put(f"{a}/f", bytes(100))
    with open(f"{a}/f", "r+b") as one, open(f"{b}/f", "r+b") as two:
        fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB, 50, 0)
        fails(errno.EAGAIN, "a locked range", fcntl.lockf, two, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 40)
        fcntl.lockf(two, fcntl.LOCK_EX | fcntl.LOCK_NB, 50, 50)
        fcntl.lockf(one, fcntl.LOCK_UN, 10, 20)
        fcntl.lockf(two, fcntl.LOCK_SH | fcntl.LOCK_NB, 10, 20)
        fails(errno.EAGAIN, "the rest before the hole", fcntl.lockf, two, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 19)
        fails(errno.EAGAIN, "the rest behind the hole", fcntl.lockf, two, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 30)
        fcntl.lockf(one, fcntl.LOCK_SH | fcntl.LOCK_NB, 20, 0)
        fcntl.lockf(two, fcntl.LOCK_SH | fcntl.LOCK_NB, 20, 0)
        asked = Flock(fcntl.F_WRLCK, 0, 30, 5, 0)
        answer = Flock.from_buffer_copy(fcntl.fcntl(two, fcntl.F_GETLK, bytes(asked)))
        same((answer.type, answer.start, answer.len), (fcntl.F_WRLCK, 30, 20), "F_GETLK")
    with open(f"{a}/f", "r+b") as one, open(f"{b}/f", "r+b") as two:
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fails(errno.EAGAIN, "flock", fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)


@test()
def test_locks_wait(setup, a, b):
    """a client that waits for a lock gets it soon after it is free (CB_NOTIFY_LOCK; without it the client polls)"""
    put(f"{a}/f", bytes(100))
    waits = []
    for i in range(3):
        ready, go = os.pipe()
        with open(f"{a}/f", "r+b") as one:
            fcntl.lockf(one, fcntl.LOCK_EX)
            pid = os.fork()
            if pid == 0:
                # A file of the child's own: a lock is the process's.
                with open(f"{b}/f", "r+b") as two:
                    fcntl.lockf(two, fcntl.LOCK_EX)
                    os.write(go, str(time.monotonic()).encode())
                os._exit(0)
            time.sleep(1.3 + i)
            freed = time.monotonic()
            fcntl.lockf(one, fcntl.LOCK_UN)
            waits.append(float(os.read(ready, 100)) - freed)
            os.waitpid(pid, 0)
        os.close(ready)
        os.close(go)
    if min(waits) < 0:
        raise AssertionError("the lock was given while another held it")
    print(f"    waited after the unlock: {', '.join(f'{1000 * w:.0f} ms' for w in waits)}", flush=True)


# --- NFSv4.2 ---


@test(since=2)
def test_xattr(setup, a, b):
    """user.* attributes: set, get, list, replace, remove, large values, errors (RFC 8276)"""

    def names(of):
        return sorted(n for n in os.listxattr(of) if n.startswith("user."))

    path, other = f"{a}/f", f"{b}/f"
    put(path, b"x")
    os.setxattr(path, "user.one", b"1")
    os.setxattr(path, "user.two", noise(30000))
    same(os.getxattr(other, "user.one"), b"1", "value")
    same(os.getxattr(other, "user.two"), noise(30000), "large value")
    same(names(other), ["user.one", "user.two"], "list")
    fails(errno.EEXIST, "creating again", os.setxattr, path, "user.one", b"2", os.XATTR_CREATE)
    fails(errno.ENODATA, "replacing what is not there", os.setxattr, path, "user.no", b"2", os.XATTR_REPLACE)
    os.setxattr(path, "user.one", b"", os.XATTR_REPLACE)
    fresh(other)
    same(os.getxattr(other, "user.one"), b"", "empty value")
    os.removexattr(other, "user.two")
    fresh(path)
    same(names(path), ["user.one"], "list after removal")
    fails(errno.ENODATA, "reading what is not there", os.getxattr, path, "user.two")
    for i in range(100):
        os.setxattr(path, f"user.many-{i}-{'x' * 100}", b"v")
    same(len(names(other)), 101, "a long list")
    os.mkdir(f"{a}/d")
    os.setxattr(f"{a}/d", "user.dir", b"d")
    same(os.getxattr(f"{b}/d", "user.dir"), b"d", "of a directory")


@test(since=2)
def test_seek(setup, a, b):
    """SEEK_DATA and SEEK_HOLE see holes between data, the end, and errors behind it"""
    with open(f"{a}/f", "w+b") as file:
        file.write(noise(MIB))
        file.seek(4 * MIB)
        file.write(noise(MIB))
        file.truncate(8 * MIB)
    fd = os.open(f"{b}/f", os.O_RDONLY)
    same(os.lseek(fd, 0, os.SEEK_HOLE), MIB, "first hole")
    same(os.lseek(fd, MIB, os.SEEK_DATA), 4 * MIB, "second data")
    same(os.lseek(fd, 4 * MIB + 5, os.SEEK_DATA), 4 * MIB + 5, "inside data")
    same(os.lseek(fd, 4 * MIB, os.SEEK_HOLE), 5 * MIB, "second hole")
    fails(errno.ENXIO, "data behind the last", os.lseek, fd, 6 * MIB, os.SEEK_DATA)
    fails(errno.ENXIO, "a hole behind the end", os.lseek, fd, 9 * MIB, os.SEEK_HOLE)
    os.close(fd)


@test(since=2)
def test_fallocate(setup, a, b):
    """fallocate takes space without changing content, punching gives it back and leaves zeros"""
    data = noise(4 * MIB)
    put(f"{a}/f", data)
    sh("fallocate", "-o", "0", "-l", str(8 * MIB), f"{a}/f")
    same(fresh(f"{b}/f").st_size, 8 * MIB, "size after fallocate")
    same(get(f"{b}/f"), data + bytes(4 * MIB), "content after fallocate")
    used = fresh(f"{b}/f").st_blocks
    if used * 512 < 8 * MIB:
        raise AssertionError(f"{used} blocks of 512 bytes for 8 MiB")
    sh("fallocate", "-p", "-o", str(MIB + 100), "-l", str(2 * MIB), f"{a}/f")
    hole = data[: MIB + 100] + bytes(2 * MIB) + data[3 * MIB + 100 :] + bytes(4 * MIB)
    same(get(f"{b}/f"), hole, "content after punching")
    drop_caches()
    same(get(f"{a}/f"), hole, "content after punching, read again")
    less = fresh(f"{b}/f").st_blocks
    if less >= used:
        raise AssertionError(f"{less} blocks after punching, {used} before")


@test(since=2)
def test_reflink(setup, a, b):
    """cp --reflink=always; both copies live on their own; ranges and the rest of a file (RFC 7862, 15.13)"""
    data = noise(3 * MIB + 12345)
    put(f"{a}/f", data)
    sh("cp", "--reflink=always", f"{a}/f", f"{a}/g")
    same(get(f"{b}/g"), data, "the clone")
    with open(f"{a}/f", "r+b") as file:
        file.seek(MIB)
        file.write(b"changed")
    same(get(f"{b}/g"), data, "the clone after a write to the original")
    with open(f"{b}/g", "r+b") as file:
        file.seek(2 * MIB)
        file.write(b"too")
    same(get(f"{a}/f"), data[:MIB] + b"changed" + data[MIB + 7 :], "the original after a write to the clone")


@test(since=2)
def test_copy(setup, a, b):
    """copy_file_range of odd ranges within the server (RFC 7862, 15.2)"""
    data = noise(5 * MIB)
    put(f"{a}/f", data)
    put(f"{a}/g", bytes(1000))
    source = os.open(f"{a}/f", os.O_RDONLY)
    target = os.open(f"{a}/g", os.O_RDWR)
    done = 0
    while done < 4 * MIB:
        n = os.copy_file_range(source, target, 4 * MIB - done, 333 + done, 777 + done)
        if n == 0:
            raise AssertionError(f"copied nothing after {done} bytes")
        done += n
    os.close(source)
    os.close(target)
    same(get(f"{b}/g"), bytes(777) + data[333 : 333 + 4 * MIB], "the copy")


# --- work that goes on while the server is killed ---


def sample_tree(at, files):
    """A tree with names, sizes, modes, links and holes of all kinds."""
    chance = random.Random(7)
    os.makedirs(at)
    for i in range(files):
        folder = f"{at}/dir{i % 13}/sub{i % 5}"
        os.makedirs(folder, exist_ok=True)
        path = f"{folder}/file {i} \u00e4\u00f6.txt"
        put(path, chance.randbytes(chance.choice((0, 1, 100, 4096, 20000, 70000))))
        os.chmod(path, chance.choice((0o644, 0o600, 0o755)))
        if i % 10 == 0:
            os.symlink(path, f"{folder}/link{i}")
        if i % 15 == 0:
            os.link(path, f"{folder}/hard{i}")


def describe(tree):
    """Everything about a tree that must survive: names, types, modes, owners, sizes, times, content."""
    found = {}
    for top, dirs, files in os.walk(tree):
        for name in dirs + files:
            path = os.path.join(top, name)
            st = os.lstat(path)
            content = os.readlink(path) if stat.S_ISLNK(st.st_mode) else b""
            if stat.S_ISREG(st.st_mode):
                content = get(path)
            when = int(st.st_mtime) if stat.S_ISREG(st.st_mode) else 0
            size = st.st_size if stat.S_ISREG(st.st_mode) else 0
            links = st.st_nlink if stat.S_ISREG(st.st_mode) else 0
            found[os.path.relpath(path, tree)] = (st.st_mode, st.st_uid, st.st_gid, size, when, links, content)
    return found


def same_tree(got, wanted, what):
    same(sorted(set(got) ^ set(wanted)), [], f"{what}: names on one side only")
    for name, value in wanted.items():
        same(got[name], value, f"{what}: {name}")


@test(limit=600, killed=True)
def test_load_git(setup, a, b):
    """git clone, commits, gc and fsck of a repository, checked from the other client"""
    home = tempfile.mkdtemp()
    env = dict(os.environ, HOME=home, GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@t", GIT_COMMITTER_NAME="t",
               GIT_COMMITTER_EMAIL="t@t", GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*")
    source = f"{home}/source"
    sample_tree(source, 120)
    sh("git", "init", "-q", source, env=env)
    for i in range(4):
        put(f"{source}/counter", str(i).encode())
        sh("git", "-C", source, "add", "-A", env=env)
        sh("git", "-C", source, "commit", "-q", "-m", f"commit {i}", env=env)
    sh("git", "clone", "-q", "--no-local", source, f"{a}/clone", env=env)
    for i in range(4):
        put(f"{a}/clone/counter", f"clone {i}".encode())
        sh("git", "-C", f"{a}/clone", "commit", "-q", "-a", "-m", f"clone {i}", env=env)
    sh("git", "-C", f"{a}/clone", "gc", "-q", env=env)
    drop_caches()
    for base in (a, b):
        sh("git", "-C", f"{base}/clone", "fsck", "--full", "--strict", env=env)
        same(sh("git", "-C", f"{base}/clone", "status", "--porcelain", env=env), "", "git status")
    same(sh("git", "-C", f"{b}/clone", "log", "--oneline", env=env).count("\n"), 8, "commits")
    shutil.rmtree(home)


def sqlite_worker(path, who, seconds):
    """Insert rows and move amounts between them until the time is over; prints how many transactions were promised."""
    db = sqlite3.connect(path, timeout=200, isolation_level=None)
    end = time.monotonic() + seconds
    done = 0
    while time.monotonic() < end:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO log(who, nr, text) VALUES(?, ?, ?)", (who, done, "x" * 300))
        db.execute("UPDATE amount SET value = value - 1 WHERE id = ?", (done % 10,))
        db.execute("UPDATE amount SET value = value + 1 WHERE id = ?", ((done + 3) % 10,))
        db.execute("COMMIT")
        done += 1
    db.close()
    return done


@test(limit=600, killed=True)
def test_load_sqlite(setup, a, b):
    """SQLite written from both clients at once: no promised transaction is missing, integrity_check is ok"""
    with sqlite3.connect(f"{a}/db") as db:
        db.execute("CREATE TABLE log(who, nr, text)")
        db.execute("CREATE TABLE amount(id INTEGER PRIMARY KEY, value)")
        db.executemany("INSERT INTO amount VALUES(?, 1000)", [(i,) for i in range(10)])
    db.close()
    workers = []
    for who, base in enumerate((a, b)):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(write_end, str(sqlite_worker(f"{base}/db", who, setup.args.load_seconds)).encode())
                os._exit(0)
            except Exception:
                traceback.print_exc(limit=3, file=sys.stdout)
                sys.stdout.flush()
                os._exit(1)
        os.close(write_end)
        workers.append((pid, read_end))
    promised = []
    for pid, read_end in workers:
        same(os.waitpid(pid, 0)[1], 0, "a worker's exit code")
        promised.append(int(os.read(read_end, 100)))
    for base in (a, b):
        drop_caches()
        db = sqlite3.connect(f"{base}/db", timeout=200)
        same(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "integrity_check")
        same(db.execute("SELECT sum(value) FROM amount").fetchone()[0], 10000, "sum of all amounts")
        for who in (0, 1):
            rows = [r[0] for r in db.execute("SELECT nr FROM log WHERE who = ? ORDER BY rowid", (who,))]
            same(rows, list(range(promised[who])), f"rows of worker {who}")
        db.close()
    print(f"    transactions by client 1 and 2: {promised[0]}, {promised[1]}", flush=True)


@test(limit=600, killed=True)
def test_load_tar(setup, a, b):
    """tar of a tree onto the server, unpacked, packed and unpacked again elsewhere: no difference"""
    home = tempfile.mkdtemp()
    sample_tree(f"{home}/tree", 150)
    wanted = describe(f"{home}/tree")
    sh("tar", "-C", home, "-cf", f"{a}/one.tar", "tree")
    sh("tar", "-C", a, "-xpf", f"{b}/one.tar")
    drop_caches()
    same_tree(describe(f"{b}/tree"), wanted, "unpacked on the server")
    sh("tar", "-C", b, "-cf", f"{home}/two.tar", "tree")
    os.mkdir(f"{home}/back")
    sh("tar", "-C", f"{home}/back", "-xpf", f"{home}/two.tar")
    same_tree(describe(f"{home}/back/tree"), wanted, "back again")
    sh("rm", "-r", f"{a}/tree")
    same(sorted(os.listdir(b)), ["one.tar"], "names after rm -r")
    shutil.rmtree(home)


@test(limit=600, killed=True)
def test_load_locks(setup, a, b):
    """locks and open files, also an unlinked one, are kept all the time; nobody else gets them"""
    put(f"{a}/f", bytes(100))
    end = time.monotonic() + setup.args.load_seconds
    with open(f"{a}/f", "r+b") as one, open(f"{b}/f", "r+b") as two, open(f"{a}/gone", "w+b") as gone:
        fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB, 50, 0)
        fcntl.lockf(two, fcntl.LOCK_EX | fcntl.LOCK_NB, 50, 50)
        os.unlink(f"{a}/gone")
        rounds = 0
        while time.monotonic() < end:
            fails(errno.EAGAIN, "client 1's range", fcntl.lockf, two, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, rounds % 50)
            fails(errno.EAGAIN, "client 2's range", fcntl.lockf, one, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 50 + rounds % 50)
            os.pwrite(gone.fileno(), f"{rounds:8d}".encode(), rounds * 8)
            os.fsync(gone.fileno())
            os.pwrite(one.fileno(), bytes([rounds % 251]), rounds % 50)
            os.fsync(one.fileno())
            rounds += 1
        drop_caches()
        same(os.pread(gone.fileno(), 8 * rounds, 0), b"".join(f"{i:8d}".encode() for i in range(rounds)), "unlinked file")
        fcntl.lockf(one, fcntl.LOCK_UN, 50, 0)
        fcntl.lockf(two, fcntl.LOCK_EX | fcntl.LOCK_NB, 50, 0)
    print(f"    {rounds} rounds", flush=True)


# --- running them ---

# Positions in the line "proc4" of /proc/net/rpc/nfs.
COUNTED = {"EXCHANGE_ID": 38, "CREATE_SESSION": 39, "RECLAIM_COMPLETE": 43}


def recoveries():
    """How often the clients had to make themselves known to the server, since boot."""
    found = {}
    for n in (1, 2):
        text = sh("nsenter", f"--net=/run/netns/c{n}", "cat", "/proc/self/net/rpc/nfs")
        counts = re.search(r"^proc4 \d+ (.*)$", text, re.M).group(1).split()
        for name, position in COUNTED.items():
            found[f"{name} by client {n}"] = int(counts[position])
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
            where = [x.strip() for x in lines if "guest_tests.py" in x and "in test_" in x]
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


def run(setup, names):
    failed = 0
    kills = setup.args.kill and any(TESTS[n][3] for n in names)
    for name in sorted(names, key=lambda n: TESTS[n][3]):
        if kills and TESTS[name][3] and not os.path.exists("/out/kill"):
            before = recoveries()
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
        count = int(get("/out/kills") if os.path.exists("/out/kills") else 0)
        after = recoveries()
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
