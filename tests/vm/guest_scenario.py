# SPDX-License-Identifier: Apache-2.0
"""What a scenario of tests/vm/run is, and the list of all of them."""

from dataclasses import dataclass

ALL_TYPES = ("scsi", "nvme", "block")
RESERVED = ("scsi", "nvme")

# The disks that there are, in MiB; backed by memory as far as they are written.  "volatile" is the one of guest_cache.py.
DISKS = {"main": 1500, "second": 500, "third": 500, "small": 220, "older": 1000, "volatile": 1500}
# Those of tests/vm/compare; all of them may be written.
DISKS |= {"lamina": 760, "knfsd": 760, "raw": 150}

SCENARIOS = {}


@dataclass
class Scenario:
    """What it needs.  Scenarios with the same volume (disks and config) that follow each other share it, unless fresh.

    One with another version of NFS needs disks of its own: an NVMe target takes one key of a host, and a version has its own.
    """

    function: object
    name: str
    types: tuple = ALL_TYPES
    clients: int = 2
    disks: tuple = ("main",)
    config: str = ""
    spare: tuple = ()  # disks that are there as well, and not in the volume
    lacks: str = ""  # the disk that the last of the clients has no path to
    fresh: bool = False
    smoke: bool = False
    servers: tuple = ("lamina",)
    version: str = "4.2"
    seconds: int = 900

    def volume(self):
        return self.disks, self.config, self.spare, self.lacks


def scenario(**needs):
    """Register test_NAME(world) as scenario NAME; its doc string is the line that --list prints."""

    def add(function):
        name = function.__name__.replace("test_", "", 1)
        SCENARIOS[name] = Scenario(function, name, **needs)
        return function

    return add
