# SPDX-License-Identifier: Apache-2.0
"""Work that goes on for a while, with the server killed and restarted meanwhile: nobody may notice."""

import errno
import fcntl
import os
import random
import shutil
import sqlite3
import stat
import sys
import tempfile
import time
import traceback

from guest_lib import drop_caches, fails, get, put, same, sh, test



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
    sample_tree(source, setup.args.files)
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
    sample_tree(f"{home}/tree", setup.args.files)
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
