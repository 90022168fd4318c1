# SPDX-License-Identifier: Apache-2.0
"""One host's path to the shared disks, taken away at once and given back: everybody else keeps theirs."""

import glob
import os
import time

from guest_lib import get, put, sh

TARGET = "iqn.2026-01.org.example:shared"
PORTAL = "127.0.0.1:3260"
SUBSYSTEM = "nqn.2026-01.org.example:shared"


def waited(find, what, limit=120):
    end = time.monotonic() + limit
    while True:
        found = find()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} does not appear after {limit} s")
        time.sleep(0.1)


class Path:
    """Number n, the server's being 1; devices are all disks as it sees them, in the order in which they were made."""

    # Whether a mount goes on with its device after mend().
    same_devices = True

    def __init__(self, n, devices):
        self.n = n
        self.devices = devices

    def cut(self):
        """From now on requests fail, those in flight are lost or not, and nothing is sent any more."""
        raise NotImplementedError

    def mend(self):
        """It works again.  Devices may have other names, and then who had one open has lost it for good."""
        raise NotImplementedError

    def renew(self):
        """As mend(), but whoever had a device open has lost it."""
        raise NotImplementedError


class ScsiPath(Path):
    def _state(self, state):
        for device in self.devices:
            put(f"/sys/block/{os.path.basename(device)}/device/state", state)

    def cut(self):
        self._state(b"offline\n")

    def mend(self):
        self._state(b"running\n")

    def renew(self):
        session = ("iscsiadm", "-m", "node", "-T", TARGET, "-p", PORTAL, "-I", f"path{self.n}")
        sh(*session, "--logout")
        sh(*session, "--login")
        self.devices = [waited(lambda lun=lun: self._device(lun), f"LUN {lun} of path {self.n}") for lun in range(len(self.devices))]
        for device in self.devices:
            put(f"/sys/block/{os.path.basename(device)}/device/timeout", b"180")

    def _device(self, lun):
        for session in glob.glob("/sys/class/iscsi_session/session*"):
            if get(f"{session}/ifacename").decode().strip() == f"path{self.n}":
                for block in glob.glob(f"{session}/device/target*/*:*:*:{lun}/block/*"):
                    device = f"/dev/{os.path.basename(block)}"
                    return device if os.path.exists(device) else None
        return None


class NvmePath(Path):
    same_devices = False

    @property
    def _host(self):
        return f"nqn.2026-01.org.example:path{self.n}"

    def _controller(self):
        for name in glob.glob("/sys/class/nvme/nvme*"):
            if get(f"{name}/hostnqn").decode().strip() == self._host:
                return os.path.basename(name)
        return None

    def cut(self):
        put(f"/sys/class/nvme/{self._controller()}/delete_controller", b"1")

    def mend(self):
        identity = f"hostnqn={self._host},hostid=00000000-0000-4000-8000-00000000000{self.n}"
        put("/dev/nvme-fabrics", f"transport=loop,nqn={SUBSYSTEM},{identity}".encode())
        numbers = range(1, len(self.devices) + 1)
        self.devices = [waited(lambda number=number: self._device(number), f"namespace {number} of path {self.n}") for number in numbers]

    def _device(self, number):
        """Its name has a number, too, but that is another one."""
        for nsid in glob.glob(f"/sys/class/nvme/{self._controller()}/nvme*n*/nsid"):
            if int(get(nsid)) == number:
                device = f"/dev/{os.path.basename(os.path.dirname(nsid))}"
                return device if os.path.exists(device) else None
        return None

    renew = mend


class BlockPath(Path):
    """The server's: devices of the device mapper, over what all clients use."""

    def _each(self):
        for device in self.devices:
            name = get(f"/sys/block/{os.path.basename(device)}/dm/name").decode().strip()
            yield name, f"/dev/{name.split('.')[1]}"

    @staticmethod
    def _dmsetup(*command):
        sh("dmsetup", *command, env=dict(os.environ, DM_DISABLE_UDEV="1"))

    def cut(self):
        for name, _ in self._each():
            self._dmsetup("wipe_table", "--noflush", name)

    def mend(self):
        for name, below in self._each():
            size = sh("blockdev", "--getsz", below).strip()
            self._dmsetup("reload", name, "--table", f"0 {size} linear {below} 0")
            self._dmsetup("resume", name)


PATHS = {"scsi": ScsiPath, "nvme": NvmePath, "block": BlockPath}
