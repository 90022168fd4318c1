# SPDX-License-Identifier: Apache-2.0
"""lamina serve in the guest: on which disks, killed, held down, started again, and what it says of itself."""

import json
import os
import signal
import subprocess
import time

from guest_client import SERVER
from guest_lib import cpu_of, put, sh

LAMINA = "/guest/lamina"
# Linux asks for a layout again 13 s after it first did, and then 26 s: who is silent is fenced before that.
LEASE = 12


class Lamina:
    """A new volume on some devices.  A supervisor starts the server again whenever it was killed, unless it is held."""

    # Keys that it will have on the disk besides those that it has from the start.
    keys = frozenset()
    never_fences = True

    def __init__(self, devices, kind, config=""):
        self.devices = devices
        self.layouts = "block" if kind == "block" else "scsi"
        self.config = config
        self.supervisor = None

    def configure(self):
        put("/tmp/lamina.conf", f"""
            devices = [ {", ".join(f'"{device}"' for device in self.devices)} ];
            listen = [ "{SERVER}:2049" ];
            lease_seconds = {LEASE};
            exports = ( {{ path = "/"; clients = ( {{ hosts = [ "192.0.2.0/24" ]; squash = "none"; layouts = [ "{self.layouts}" ]; }} ); }} );
            {self.config}
            """.encode())

    def start(self):
        self.configure()
        sh(LAMINA, "format", "-q", "-f", *self.devices)
        for flag in ("/tmp/stop", "/tmp/hold", "/tmp/ended"):
            if os.path.exists(flag):
                os.unlink(flag)
        self.supervisor = os.fork()
        if self.supervisor == 0:
            self._supervise()
        self.wait_up()

    def wait_up(self, limit=120):
        end = time.monotonic() + limit
        while self.status() is None:
            if time.monotonic() > end:
                raise AssertionError(f"the server does not answer after {limit} s")
            time.sleep(0.2)

    def _supervise(self):
        while not os.path.exists("/tmp/stop"):
            while os.path.exists("/tmp/hold"):
                time.sleep(0.1)
            with open("/out/serve.log", "ab") as log:
                server = subprocess.Popen([LAMINA, "serve", "-c", "/tmp/lamina.conf"], stdout=log, stderr=log)
            put("/tmp/server.pid", str(server.pid).encode())
            result = server.wait()
            if result != -signal.SIGKILL and not os.path.exists("/tmp/stop"):
                put("/tmp/ended", f"the server ended by itself with {result}".encode())
                time.sleep(1)
        os._exit(0)

    @staticmethod
    def ended():
        """Why it ended by itself, if it did."""
        if not os.path.exists("/tmp/ended"):
            return None
        with open("/tmp/ended", encoding="ascii") as file:
            return file.read()

    @staticmethod
    def pid():
        with open("/tmp/server.pid", encoding="ascii") as file:
            return int(file.read())

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)

    def down(self):
        """Killed, and it stays so until up()."""
        put("/tmp/hold", b"")
        self.kill()

    def up(self):
        os.unlink("/tmp/hold")
        self.wait_up()

    def stop(self):
        put("/tmp/stop", b"")
        os.kill(self.pid(), signal.SIGTERM)
        os.waitpid(self.supervisor, 0)

    def check(self):
        """What `lamina check` finds in the stopped volume, or None."""
        done = subprocess.run([LAMINA, "check", "-q", *self.devices], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return f"lamina check: exit {done.returncode}: {done.stdout.strip()[-2000:]}" if done.returncode else None

    @staticmethod
    def ask(*command):
        """The JSON that a command says of the running server; None if it says nothing."""
        try:
            done = subprocess.run([LAMINA, *command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            return None
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status(self):
        return self.ask("status")

    def recalls(self):
        """How many layouts were wanted back so far, however often the client was asked."""
        return self.status()["layouts"]["recalls"]

    def cpu(self):
        return cpu_of(self.pid())

    def map(self, inode):
        """The runs of a file as they are on the disk: [{"offset", "blocks", "state", "address"}], in blocks."""
        text = sh(LAMINA, "dump", "--replay", "--json", *self.devices, "map", str(inode))
        return [item for item in map(json.loads, text.splitlines()) if "blocks" in item]
