# SPDX-License-Identifier: Apache-2.0
"""The kernel's own NFS server on XFS with the export option `pnfs`, in the place of Lamina: what it does with the same work."""

import os
import subprocess

from guest_client import SERVER
from guest_lib import Skip, cpu_of, put, registered, sh

XFS = "/srv/xfs"
LEASE = 10
THREADS = 8
# It registers the same key everywhere, with the first GETDEVICEINFO.
SERVER_KEY = "0x100000000000000"


def clear_reservation(device):
    """What another server left registered on a SCSI disk goes, whosever it is."""
    if registered(device):
        sh("sg_persist", "--no-inquiry", "--out", "--register-ignore", "--param-sark=0x1", device)
        sh("sg_persist", "--no-inquiry", "--out", "--clear", "--param-rk=0x1", device)


class Knfsd:
    """A new file system on the first of some devices; with the methods of Lamina (guest_server.py) that make sense here."""

    keys = {SERVER_KEY}
    never_fences = False

    def __init__(self, devices, kind, config="", address=SERVER):
        if kind != "scsi" or len(devices) != 1:
            raise Skip("knfsd is set up for one SCSI disk only")
        self.devices = devices
        self.address = address

    def start(self):
        sh("modprobe", "-a", "xfs", "nfsd")
        for path in (XFS, "/var/lib/nfs/v4recovery", "/run/rpc_pipefs", "/var/lib/nfs/rpc_pipefs"):
            os.makedirs(path, exist_ok=True)
        clear_reservation(self.devices[0])
        sh("mkfs.xfs", "-q", "-f", "-m", "reflink=1", self.devices[0])
        sh("mount", "-t", "xfs", self.devices[0], XFS)
        os.chmod(XFS, 0o777)
        if not os.path.ismount("/proc/fs/nfsd"):
            sh("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
        for name in ("etab", "rmtab"):
            put(f"/var/lib/nfs/{name}", b"")
        put("/etc/exports", f"{XFS} *(rw,pnfs,no_root_squash,insecure,fsid=0,no_subtree_check,sync)\n".encode())
        put("/etc/nfs.conf", b"[mountd]\nmanage-gids=n\n")
        for helper in ("rpcbind", "rpc.mountd", "nfsdcld"):
            if subprocess.run(["pidof", helper], stdout=subprocess.DEVNULL, check=False).returncode:
                sh(*{"rpcbind": ["rpcbind", "-w"], "rpc.mountd": ["rpc.mountd", "-N", "2", "-N", "3"], "nfsdcld": ["nfsdcld"]}[helper])
        sh("exportfs", "-ra")
        sh("rpc.nfsd", "-H", self.address, "-N", "3", "-V", "4", "--grace-time", "10", "--lease-time", str(LEASE), str(THREADS))

    def stop(self):
        sh("rpc.nfsd", "0")
        sh("exportfs", "-ua")
        sh("exportfs", "-f")
        sh("umount", XFS)
        clear_reservation(self.devices[0])

    def check(self):
        """What xfs_repair finds in the unmounted file system, or None."""
        done = subprocess.run(["xfs_repair", "-n", self.devices[0]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return f"xfs_repair: exit {done.returncode}: {done.stdout.strip()[-2000:]}" if done.returncode else None

    @staticmethod
    def ended():
        return None

    @staticmethod
    def status():
        """It has none that could be asked for."""
        return None

    @staticmethod
    def recalls():
        """It does not count them."""
        return 0

    @staticmethod
    def cpu():
        """Of the threads of nfsd and those that XFS has for itself.  What kernel workers do for either can't be told."""
        total = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                    name = file.read().strip()
                if name == "nfsd" or name.startswith("xfsaild"):
                    total += cpu_of(pid)
            except OSError:
                continue
        return total
