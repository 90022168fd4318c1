# SPDX-License-Identifier: Apache-2.0
"""What the clients of the guest are asked by the server, as their kernel counts it: the same for whatever server."""

import os

from guest_lib import put, sh

TRACE = "/sys/kernel/tracing"
EVENT = "nfs4/nfs4_cb_layoutrecall_file"


class Recalls:
    """Counts the CB_LAYOUTRECALLs for files that all clients get; each one that is sent again counts again."""

    def __init__(self):
        if not os.path.exists(f"{TRACE}/instances"):
            sh("mount", "-t", "tracefs", "t", TRACE)
        self.at = f"{TRACE}/instances/recalls"
        os.makedirs(self.at, exist_ok=True)
        put(f"{self.at}/events/{EVENT}/enable", b"1")

    def count(self):
        """Since the last count."""
        with open(f"{self.at}/trace", encoding="ascii") as file:
            number = sum("cb_layoutrecall" in line for line in file if not line.startswith("#"))
        put(f"{self.at}/trace", b"")
        return number
