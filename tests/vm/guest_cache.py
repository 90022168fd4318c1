# SPDX-License-Identifier: Apache-2.0
"""A disk with a volatile write cache, /dev/nbd0: what was written to it is gone after a cut unless it was flushed.

nbdkit's cache filter holds what was not flushed, and loses it when it is killed.  Requests under way at a cut, and those
that come later, wait for the disk to be back and are sent to it again, as with storage whose power fails: nobody sees an
error, and nobody is told what was lost.
"""

import os
import signal
import socket
import struct
import subprocess
import time

from guest_lib import MIB, same, sh
from guest_pattern import BLOCK, pattern, read_at, write_at

DEVICE = "/dev/nbd0"
BACKING = "/dev/shm/volatile"
SOCKET = "/run/volatile"

# <linux/netlink.h>, <linux/genetlink.h>, <linux/nbd-netlink.h>; the protocol itself: https://github.com/NetworkBlockDevice/nbd
NETLINK_GENERIC, NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR, NLA_F_NESTED = 16, 1, 4, 2, 0x8000
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2
NBD_CMD_CONNECT, NBD_CMD_RECONFIGURE = 1, 3
NBD_ATTR_INDEX, NBD_ATTR_SIZE_BYTES, NBD_ATTR_BLOCK_SIZE_BYTES, NBD_ATTR_TIMEOUT = 1, 2, 3, 4
NBD_ATTR_SERVER_FLAGS, NBD_ATTR_SOCKETS, NBD_ATTR_DEAD_CONN_TIMEOUT = 5, 7, 8
NBD_SOCK_ITEM, NBD_SOCK_FD = 1, 1
NBD_FLAGS = 1 | 4 | 8  # flags, flush, FUA
NBD_OPTION_MAGIC, NBD_OPT_EXPORT_NAME, NBD_NO_ZEROES = 0x49484156454F5054, 1, 3

RETRY = 15  # seconds until a request that was under way at a cut is sent again


def attribute(kind, data):
    return struct.pack("<HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def u32(kind, value):
    return attribute(kind, struct.pack("<I", value))


def u64(kind, value):
    return attribute(kind, struct.pack("<Q", value))


def wait_until(true, what, limit=60):
    end = time.monotonic() + limit
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"after {limit} s it is still not so that {what}")
        time.sleep(0.1)


class Netlink:
    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.bind((0, 0))

    def ask(self, family, command, data):
        """What the kernel answers in front of its acknowledgement."""
        body = struct.pack("<BBH", command, 1, 0) + data
        self.socket.send(struct.pack("<IHHII", 16 + len(body), family, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
        answer = b""
        while True:
            packet = self.socket.recv(65536)
            while packet:
                length, kind = struct.unpack_from("<IH", packet)
                if kind == NLMSG_ERROR:
                    error = -struct.unpack_from("<i", packet, 16)[0]
                    if error:
                        raise OSError(error, f"netlink: {os.strerror(error)}")
                    return answer
                answer, packet = packet[20:length], packet[(length + 3) & ~3 :]

    def family(self, name):
        answer = self.ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attribute(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0"))
        while answer:
            length, kind = struct.unpack_from("<HH", answer)
            if kind == CTRL_ATTR_FAMILY_ID:
                return struct.unpack_from("<H", answer, 4)[0]
            answer = answer[(length + 3) & ~3 :]
        raise AssertionError(f"the kernel has no netlink family {name}")


class VolatileDisk:
    def __init__(self, size):
        self.size = size
        self.nbdkit = None
        sh("modprobe", "nbd", "nbds_max=1")
        with open(BACKING, "wb") as file:
            file.truncate(size)
        self._start()
        self._tell(NBD_CMD_CONNECT, u64(NBD_ATTR_SIZE_BYTES, size) + u64(NBD_ATTR_BLOCK_SIZE_BYTES, 512) +
                   u64(NBD_ATTR_SERVER_FLAGS, NBD_FLAGS) + u64(NBD_ATTR_TIMEOUT, RETRY) + u64(NBD_ATTR_DEAD_CONN_TIMEOUT, 600))
        self._prove()

    def _start(self):
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        with open("/out/nbdkit", "ab") as log:
            self.nbdkit = subprocess.Popen(["nbdkit", "-f", "-U", SOCKET, "--filter=cache", "file", BACKING, "cache=writeback",
                                            "cache-min-block-size=4096"], stdout=log, stderr=log, env={**os.environ, "TMPDIR": "/dev/shm"})

    def _shake_hands(self):
        """A connection to nbdkit that is past the first words (fixed newstyle negotiation, NBD_OPT_EXPORT_NAME)."""
        connection = socket.socket(socket.AF_UNIX)
        wait_until(lambda: connection.connect_ex(SOCKET) == 0, "nbdkit answers")
        connection.recv(18, socket.MSG_WAITALL)
        connection.sendall(struct.pack(">IQII", NBD_NO_ZEROES, NBD_OPTION_MAGIC, NBD_OPT_EXPORT_NAME, 0))
        size, flags = struct.unpack(">QH", connection.recv(10, socket.MSG_WAITALL))
        same((size, flags & NBD_FLAGS), (self.size, NBD_FLAGS), "size and flags that nbdkit tells")
        return connection

    def _tell(self, command, attributes):
        netlink = Netlink()
        with self._shake_hands() as connection:
            item = attribute(NBD_SOCK_ITEM | NLA_F_NESTED, u32(NBD_SOCK_FD, connection.fileno()))
            netlink.ask(netlink.family("nbd"), command,
                        u32(NBD_ATTR_INDEX, 0) + attributes + attribute(NBD_ATTR_SOCKETS | NLA_F_NESTED, item))

    def freeze(self):
        """Nothing is answered from here on, nor does anything become durable."""
        self.nbdkit.send_signal(signal.SIGSTOP)

    def cut(self):
        self.nbdkit.kill()
        self.nbdkit.wait()

    def mend(self):
        """The disk is back, and all that waited for it is done."""
        self._start()
        reader = os.fork()
        if reader == 0:
            with open(DEVICE, "rb", buffering=0) as disk:
                os.posix_fadvise(disk.fileno(), 0, BLOCK, os.POSIX_FADV_DONTNEED)
                disk.read(BLOCK)
            os._exit(0)
        # A connection is taken only when the kernel has seen the end of the old one, and it does not say whether it did.
        self._tell(NBD_CMD_RECONFIGURE, b"")
        while os.waitpid(reader, os.WNOHANG) == (0, 0):
            time.sleep(0.5)
            self._tell(NBD_CMD_RECONFIGURE, b"")
        wait_until(self._is_quiet, "requests of before the cut are done", 4 * RETRY)

    @staticmethod
    def _is_quiet():
        with open(f"/sys/block/{os.path.basename(DEVICE)}/inflight", encoding="ascii") as file:
            return file.read().split() == ["0", "0"]

    def _prove(self):
        """It does what it is for: else all that is tested with it would pass."""
        fd = os.open(DEVICE, os.O_RDWR | os.O_DIRECT)
        write_at(fd, 0, pattern(1, 0, BLOCK))
        os.fsync(fd)
        write_at(fd, 0, pattern(2, 0, BLOCK))
        write_at(fd, MIB, pattern(3, MIB, BLOCK))
        self.cut()
        self.mend()
        same(read_at(fd, 0, BLOCK) == pattern(1, 0, BLOCK), True, "what was flushed is there after a cut")
        same(any(read_at(fd, MIB, BLOCK)), False, "what was not flushed is there after a cut")
        os.close(fd)
