# SPDX-License-Identifier: Apache-2.0
"""Files, names, locks and what NFSv4.2 adds, as two real clients see them.

Each test gets an empty directory, a through client 1 and b through client 2, and fails by an exception.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import time

from guest_lib import MIB, drop_caches, fails, fresh, get, noise, put, same, sh, test



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
    waits, waiters = [], []
    for i in range(3):
        put(f"{a}/f{i}", bytes(100))
        held = open(f"{a}/f{i}", "r+b")
        fcntl.lockf(held, fcntl.LOCK_EX)
        ready, go = os.pipe()
        pid = os.fork()
        if pid == 0:
            # A file of the child's own: a lock is the process's.
            with open(f"{b}/f{i}", "r+b") as two:
                fcntl.lockf(two, fcntl.LOCK_EX)
                os.write(go, str(time.monotonic()).encode())
            os._exit(0)
        os.close(go)
        waiters.append((held, ready, pid))
    time.sleep(0.3)
    for held, ready, pid in waiters:
        time.sleep(1)
        freed = time.monotonic()
        fcntl.lockf(held, fcntl.LOCK_UN)
        waits.append(float(os.read(ready, 100)) - freed)
        os.waitpid(pid, 0)
        held.close()
        os.close(ready)
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
    half = MIB // 2
    with open(f"{a}/f", "w+b") as file:
        file.write(noise(half))
        file.seek(4 * MIB)
        file.write(noise(MIB))
        file.truncate(8 * MIB)
    fd = os.open(f"{b}/f", os.O_RDONLY)
    same(os.lseek(fd, 0, os.SEEK_HOLE), half, "first hole")
    same(os.lseek(fd, half, os.SEEK_DATA), 4 * MIB, "second data")
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
