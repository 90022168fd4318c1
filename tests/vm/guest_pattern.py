# SPDX-License-Identifier: Apache-2.0
"""File contents of which every 4 KiB block says whose it is and where it belongs, and the I/O of a client with them."""

import ctypes
import fcntl
import mmap
import os
import struct

from guest_lib import MIB

BLOCK = 4096


def pattern(tag, offset, length):
    """Bytes of a file that holds tag throughout; both whole blocks.  Tag 0 is zeros: never written."""
    if tag == 0:
        return bytes(length)
    return b"".join(struct.pack("<QQ", tag, n) * (BLOCK // 16) for n in range(offset // BLOCK, (offset + length) // BLOCK))


def buffered(path, flags=os.O_RDWR):
    return os.open(path, flags | os.O_CREAT, 0o644)


def direct(path, flags=os.O_RDWR):
    return os.open(path, flags | os.O_CREAT | os.O_DIRECT, 0o644)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_memory():
    """This process, and those forked from it, give no freed memory back: in an emulated machine new pages cost more than I/O."""
    libc = ctypes.CDLL(None)
    for option, size in ((M_MMAP_THRESHOLD, 32 * MIB), (M_TRIM_THRESHOLD, 512 * MIB)):
        if not libc.mallopt(option, size):
            raise AssertionError(f"mallopt({option}, {size}) failed")


PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # each process its own, also after a fork
pages = mmap.mmap(-1, MIB, PRIVATE)


def aligned(length):
    """Memory that is good for O_DIRECT too, until the next call."""
    global pages
    if len(pages) < length:
        pages = mmap.mmap(-1, length, PRIVATE)
    return memoryview(pages)[:length]


def write_at(fd, offset, data):
    memory = aligned(len(data))
    memory[:] = data
    done = os.pwrite(fd, memory, offset)
    if done != len(data):
        raise AssertionError(f"write at {offset}: {done} of {len(data)} bytes")


def read_at(fd, offset, length):
    memory = aligned(length)
    done = os.preadv(fd, [memory], offset)
    return bytes(memory[:done])


def write_ranges(path, tag, ranges, opener=direct, chunk=MIB):
    """Each (offset, length) in requests of at most chunk bytes, then fsync.  Returns the number of requests."""
    fd = opener(path)
    nr = 0
    for begin, length in ranges:
        for offset in range(begin, begin + length, chunk):
            size = min(chunk, begin + length - offset)
            write_at(fd, offset, pattern(tag, offset, size))
            nr += 1
    os.fsync(fd)
    os.close(fd)
    return nr


def first_wrong(data, offset, tags):
    """Why data, read at offset, is not made of blocks of these tags; None if it is."""
    if len(tags) == 1 and data == pattern(tags[0], offset, len(data)):
        return None
    for at in range(0, len(data), BLOCK):
        block = data[at : at + BLOCK]
        if not any(block == pattern(tag, offset + at, len(block)) for tag in tags):
            tag, number = struct.unpack_from("<QQ", block)
            whole = "" if block == block[:16] * (len(block) // 16) else ", mixed"
            return f"block {(offset + at) // BLOCK} has tag {tag}, number {number}{whole}; not of {tags}"
    return None


def check_ranges(path, wanted, size=None, opener=buffered, chunk=MIB):
    """Each (offset, length, tags) holds only blocks of these tags.  From the device: the caller dropped the caches."""
    fd = opener(path, os.O_RDONLY)
    if size is not None and os.fstat(fd).st_size != size:
        raise AssertionError(f"size {os.fstat(fd).st_size}, not {size}")
    for begin, length, tags in wanted:
        for offset in range(begin, begin + length, chunk):
            data = read_at(fd, offset, min(chunk, begin + length - offset))
            if len(data) != min(chunk, begin + length - offset):
                raise AssertionError(f"read at {offset}: {len(data)} bytes")
            why = first_wrong(data, offset, tags)
            if why:
                raise AssertionError(f"{path}: {why}")
    os.close(fd)


def check_bytes(path, wanted):
    """The whole file is these bytes."""
    with open(path, "rb") as file:
        data = file.read()
    if data == wanted:
        return
    if len(data) != len(wanted):
        raise AssertionError(f"{path}: {len(data)} bytes, not {len(wanted)}")
    at = next(i for i in range(0, len(data), 16) if data[i : i + 16] != wanted[i : i + 16])
    raise AssertionError(f"{path}: at {at}: {data[at:at+16].hex()}, not {wanted[at:at+16].hex()}")


def make_empty(path):
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))


def fallocate(fd, mode, offset, length):
    """Python has only posix_fallocate."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), f"fallocate({mode}, {offset}, {length})")


def clone(source, target):
    """All of source into a new file."""
    with open(source, "rb") as a, open(target, "wb") as b:
        fcntl.ioctl(b.fileno(), 0x40049409, a.fileno())
