# SPDX-License-Identifier: Apache-2.0
"""What the tests of the guest share: how a test is registered, and how it says what is wrong."""

import errno
import os
import random
import re
import subprocess

TESTS = {}
MIB = 1 << 20


class Skip(Exception):
    """The test does not apply to this protocol version or server."""


def test(limit=240, since=1, killed=False):
    """Register a test: seconds it may take, first minor version, whether the server is killed meanwhile."""

    def add(function):
        name = function.__name__.replace("test_", "", 1)
        TESTS[name] = (function, limit, since, killed)
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


def registered(device):
    """The keys that a SCSI disk has."""
    return set(re.findall(r"^\s+(0x[0-9a-f]+)$", sh("sg_persist", "--no-inquiry", "--in", "--read-keys", device), re.M))


def cpu_of(pid):
    """Seconds of processor time of a process with all its threads, those that have ended too."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Positions in the line "proc4" of /proc/net/rpc/nfs.
COUNTED = {"EXCHANGE_ID": 38, "CREATE_SESSION": 39, "RECLAIM_COMPLETE": 43}


def recoveries(rpc_nfs):
    """How often clients had to make themselves known to a server, by the text of their name space's /proc/net/rpc/nfs."""
    counts = re.search(r"^proc4 \d+ (.*)$", rpc_nfs, re.M).group(1).split()
    return {name: int(counts[position]) for name, position in COUNTED.items()}


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)
