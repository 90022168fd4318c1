#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that what the scenarios of real clients look at is seen: wrong blocks, kernel messages, failures in the table."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

import guest_fsx
from guest_lib import recoveries
from guest_pattern import BLOCK, first_wrong, pattern
from guest_world import BAD_MESSAGES, HARMLESS, World


class Pattern(unittest.TestCase):
    def test_right(self):
        self.assertIsNone(first_wrong(pattern(3, 8192, 3 * BLOCK), 8192, (3,)))
        self.assertIsNone(first_wrong(pattern(3, 0, BLOCK) + pattern(4, BLOCK, BLOCK), 0, (3, 4)))
        self.assertIsNone(first_wrong(bytes(BLOCK), 0, (0,)))

    def test_other_writer(self):
        self.assertIn("has tag 4", first_wrong(pattern(3, 0, BLOCK) + pattern(4, BLOCK, BLOCK), 0, (3,)))

    def test_other_place(self):
        self.assertIn("block 1 has tag 3, number 7", first_wrong(pattern(3, 0, BLOCK) + pattern(3, 7 * BLOCK, BLOCK), 0, (3, 9)))

    def test_lost(self):
        self.assertIn("has tag 0", first_wrong(bytes(BLOCK), 0, (3, 4)))

    def test_torn(self):
        data = pattern(3, 0, BLOCK // 2 * 2)[: BLOCK // 2] + pattern(4, 0, BLOCK)[BLOCK // 2 :]
        self.assertIn("mixed", first_wrong(data, 0, (3, 4)))


class Random(unittest.TestCase):
    """On any local file system: without what only some of them can."""

    def go(self, seed, steps=60, wrong=None):
        guest_fsx.drop_caches = lambda: None
        with tempfile.TemporaryDirectory() as at:
            fsx = guest_fsx.Fsx([at, at], seed)
            fsx.kinds = [k for k in fsx.kinds if k.__name__ not in ("do_clone", "do_write_direct", "do_read_direct")]
            if wrong:
                step = fsx.step

                def step_and_harm():
                    step()
                    if fsx.number == steps:
                        wrong(at)

                fsx.step = step_and_harm
            fsx.run(steps)
            return fsx.log, {name: bytes(file.data) for name, file in fsx.files.items()}

    def test_right_and_again(self):
        self.assertEqual(self.go(3), self.go(3))
        self.assertNotEqual(self.go(3), self.go(4))

    def test_a_lost_block(self):
        def lose(at):
            with open(f"{at}/one", "r+b") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(size // 2)
                file.write(bytes(max(size // 4, 1)))

        with self.assertRaisesRegex(AssertionError, "wrong from .*; the last operations: .*; 60: "):
            self.go(3, wrong=lose)

    def test_a_lost_end(self):
        with self.assertRaisesRegex(AssertionError, "bytes"):
            self.go(3, wrong=lambda at: os.truncate(f"{at}/two", os.path.getsize(f"{at}/two") + 1))


class FakeServer:
    def __init__(self, devices):
        self.devices = devices


class OnDisk(unittest.TestCase):
    def test_written_runs_only(self):
        world = object.__new__(World)
        with tempfile.TemporaryDirectory() as at:
            paths = [f"{at}/0", f"{at}/1"]
            for number, path in enumerate(paths):
                with open(path, "wb") as file:
                    for block in range(16):
                        file.write(bytes([16 * number + block]) * BLOCK)
            world.server = FakeServer(paths)
            runs = [{"offset": 0, "blocks": 2, "state": "written", "address": "0:5"},
                    {"offset": 2, "blocks": 1, "state": "unwritten", "address": "0:7"},
                    {"offset": 3, "blocks": 1, "state": "hole"},
                    {"offset": 4, "blocks": 3, "state": "written", "address": "1:9"}]
            data = world._raw(runs, BLOCK, 5 * BLOCK)
        self.assertEqual([data[i] for i in range(0, len(data), BLOCK)], [6, 0, 0, 25, 26])
        self.assertEqual(len(data), 5 * BLOCK)


class Messages(unittest.TestCase):
    def test_bad(self):
        for text in ("BUG: kernel NULL pointer dereference", "INFO: task cp:12 blocked for more than 120 seconds",
                     "blk_update_request: I/O error, dev sdb", "pNFS: failed to open device /dev/x", "NFS: server x error -5"):
            self.assertTrue(BAD_MESSAGES.search(text) and not HARMLESS.search(text), text)

    def test_harmless(self):
        self.assertTrue(HARMLESS.search("pNFS: failed to open device /dev/disk/by-id/dm-uuid-mpath-0x6001 (-2)"))


class Recoveries(unittest.TestCase):
    def test_of_one_client(self):
        counts = list(range(100, 170))
        text = f"net 1 2 3 4\nrpc 5 0 5\nproc3 22 {' '.join('9' * 22)}\nproc4 70 {' '.join(map(str, counts))}\n"
        self.assertEqual(recoveries(text), {"EXCHANGE_ID": 138, "CREATE_SESSION": 139, "RECLAIM_COMPLETE": 143})


class Matrix(unittest.TestCase):
    def run_matrix(self, entries, *options):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            for kernel, kind, name, verdict in entries:
                print(json.dumps({"kernel": kernel, "type": kind, "scenario": name, "verdict": verdict}), file=file)
            file.flush()
            return subprocess.run([f"{HERE}/matrix", *options, file.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_table(self):
        done = self.run_matrix([("7.2.12+deb13-amd64", "nvme", "basic", "ok"), ("6.1.0-56-amd64", "scsi", "basic", "ok"),
                                ("6.1.0-56-amd64", "scsi", "check", "ok"), ("7.2.12+deb13-amd64", "nvme", "udev", "skipped")])
        self.assertEqual(done.returncode, 0)
        self.assertIn("| scenario | 6.1 SCSI | 7.2 NVMe |", done.stdout)
        self.assertIn("| `udev` |  | not there |", done.stdout)

    def test_a_failed_check_stays(self):
        done = self.run_matrix([("6.12.1-x", "scsi", "check", "FAILED"), ("6.12.1-x", "scsi", "check", "ok")])
        self.assertEqual(done.returncode, 1)
        self.assertIn("**failed**", done.stdout)

    def test_no_place_to_write(self):
        with tempfile.NamedTemporaryFile("w", suffix=".md") as file:
            file.write("nothing\n")
            file.flush()
            self.assertEqual(self.run_matrix([("6.12.1-x", "scsi", "basic", "ok")], "--write", file.name).returncode, 2)


if __name__ == "__main__":
    unittest.main()
