# SPDX-License-Identifier: Apache-2.0
"""Scenarios of what is special with NVMe: hosts that unregister, types of reservation, names that udev makes."""

import json
import os

from guest_lib import MIB, same, sh
from guest_pattern import check_ranges, read_at, write_ranges
from guest_scenario import scenario
from guest_death_tests import poke, test_death

NVME = ("nvme",)
WRITE_EXCLUSIVE = (3, 5)  # registrants only, all registrants


def report_of(device):
    """What the namespace says of its registrations and reservation."""
    return json.loads(sh("nvme", "resv-report", device, "--eds", "--output-format=json"))


def reservation_type(device):
    return report_of(device)["rtype"]


def without_key(world):
    """How many hosts are registered with key 0."""
    return sum(entry["rkey"] == 0 for entry in report_of(world.device).get("regctlext", []))


def peek(device):
    """Reads the first block of the disk, on this client's own path: (worked, what was said)."""
    try:
        fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
        read_at(fd, 0, 4096)
        os.close(fd)
    except OSError as e:
        return False, e.strerror
    return True, None


def remember_label(world):
    """For poke(): the first block, which nobody changes; read on the server's path, which may do that."""
    sh("dd", f"if={world.device}", "of=/tmp/first", "bs=4096", "count=1", "iflag=direct")


@scenario(types=NVME)
def test_remount(world):
    """who unmounts stays registered without a key; mounted again it works by layouts alone, others do not notice"""
    a, b = world.clients
    remember_label(world)
    for turn in range(1, 4):
        world.umount(a)
        world.note(f"hosts without a key after umount {turn}: {without_key(world)}; a raw write there: {a.run(poke, world.device_of(a))}")
        writer = b.start(write_ranges, f"{world.dir}/b{turn}", 100 + turn, [(0, 8 * MIB)])
        before = b.counters()
        world.mount()
        same(without_key(world), 0, "hosts without a key after the new mount")
        own = a.counters()
        a.run(write_ranges, f"{world.dir}/a{turn}", turn, [(0, 4 * MIB)])
        world.cost(a, own, f"mount {turn}", least_gets=1)
        writer.wait()
        world.cost(b, before, "the other meanwhile")
        world.drop_caches()
        b.run(check_ranges, f"{world.dir}/a{turn}", [(0, 4 * MIB, (turn,))], 4 * MIB)
        a.run(check_ranges, f"{world.dir}/b{turn}", [(0, 8 * MIB, (100 + turn,))], 8 * MIB)
    world.unfenced()


@scenario(types=NVME, version="4.1", disks=("older",))
def test_remount41(world):
    """the same with NFSv4.1"""
    test_remount(world)


@scenario(types=NVME)
def test_keyless(world):
    """a host that unregistered and can write all the same is fenced: it can't any more; another one works on; it comes back"""
    a, b = world.clients
    key = world.client_keys[a]
    remember_label(world)
    world.umount(a)
    world.may_complain = True
    if without_key(world):
        same(a.run(poke, world.device_of(a)), (True, None), "a raw write of a host without a key")
    writer = b.start(write_ranges, f"{world.dir}/b", 2, [(0, 32 * MIB)])
    world.note(sh("/guest/lamina", "fence", key).strip().replace("\n", " "))
    worked, said = a.run(poke, world.device_of(a))
    world.note(f"a raw write after the fence: {said}")
    same(worked, False, "a raw write after the fence")
    same(without_key(world), 0, "hosts without a key after the fence")
    writer.wait()
    sh("/guest/lamina", "unfence", key)
    world.mount()
    before = a.counters()
    a.run(write_ranges, f"{world.dir}/a", 1, [(0, 4 * MIB)])
    world.cost(a, before, "after the fence", least_gets=1)
    world.drop_caches()
    b.run(check_ranges, f"{world.dir}/a", [(0, 4 * MIB, (1,))], 4 * MIB)
    a.run(check_ranges, f"{world.dir}/b", [(0, 32 * MIB, (2,))], 32 * MIB)
    world.unfenced()


@scenario(types=NVME, config='reservation = "write_exclusive";')
def test_death_write(world):
    """the same as death with the other type of reservation, which lets everybody read"""
    test_death(world)
    same(reservation_type(world.device) in WRITE_EXCLUSIVE, True, "a reservation that keeps out writers")
    world.umount(world.clients[0])
    same(world.clients[0].run(peek, world.device_of(world.clients[0])), (True, None), "a read of a host that is not registered")
    world.mount()


def udev_names(device):
    """The links that udevd makes for this device, without /dev/disk/by-id."""
    links = sh("udevadm", "info", "--query=symlink", f"--name={device}").split()
    return {os.path.basename(link) for link in links if link.startswith("disk/by-id/")}


def udev_looks():
    """As it is told to in docs/clients.md."""
    sh("udevadm", "control", "--reload")
    sh("udevadm", "trigger", "--subsystem-match=block")
    sh("udevadm", "settle", "--timeout=120")


def wwid_of(device):
    """What the kernel thinks is the best identity of a disk."""
    with open(f"/sys/block/{os.path.basename(device)}/wwid", encoding="ascii") as file:
        return file.read()


def relink(links):
    """What a client has below /dev/disk/by-id: a device for each name."""
    for name in os.listdir("/dev/disk/by-id"):
        os.unlink(f"/dev/disk/by-id/{name}")
    for name, device in links.items():
        os.symlink(device, f"/dev/disk/by-id/{name}")


def write_on_each(world, client, name):
    """Files of 1 MiB until each disk of the volume has one: {disk: how many requests went through the server}."""
    through = {}
    for number in range(40):
        path = f"{world.dir}/{name}.{number}"
        before = client.counters()
        client.run(write_ranges, path, 1, [(0, MIB)])
        spent = world.cost(client, before, f"{name}, file {number}", through=None)
        world.clients[1].run(check_ranges, path, [(0, MIB, (1,))], MIB)
        disk = int(world.server.map(world.clients[1].run(os.stat, path).st_ino)[0]["address"].split(":")[0])
        through[disk] = through.get(disk, 0) + spent["WRITE"]
        if len(through) == len(world.server.devices):
            return through
    raise AssertionError(f"40 files, and they are all on {list(through)}")


def mount_by_udev(world, client, name):
    """A client whose names of the disks are those that udev has made."""
    devices = [world.device_of(client, disk) for disk in range(len(world.server.devices))]
    names = [udev_names(device) for device in devices]
    client.run(relink, {link: device for device, links in zip(devices, names) for link in links})
    world.note(f"{name}: " + "; ".join(" ".join(sorted(n for n in links if "eui" in n or "uuid" in n)) for links in names))
    client.mount(world.version)
    world.mounted.add(client)
    return names


@scenario(types=NVME, disks=("main", "second"))
def test_udev(world):
    """the name that the client looks for, by udev: without our rule only of a namespace without a UUID, with it of all"""
    a = world.clients[0]
    wanted = [world.disks[name][0] for name in world.volume[0]]
    world.may_complain = True
    same([wwid_of(device).split(".")[0] for device in world.server.devices], ["uuid", "eui"], "what udev's own names are made of")
    sh("/usr/lib/systemd/systemd-udevd", "--daemon")
    try:
        udev_looks()
        world.umount(a)
        names = mount_by_udev(world, a, "without the rule")
        same([link in links for link, links in zip(wanted, names)], [False, True], "names without the rule")
        through = write_on_each(world, a, "without")
        same(through[0] > 0 and through[1] == 0, True, f"through the server only where the name is missing ({through})")
        world.umount(a)
        sh("cp", "/guest/99-lamina-nvme.rules", "/etc/udev/rules.d/")
        udev_looks()
        names = mount_by_udev(world, a, "with the rule")
        same([link in links for link, links in zip(wanted, names)], [True, True], "names with the rule")
        same(write_on_each(world, a, "with"), {0: 0, 1: 0}, "through the server with the rule")
    finally:
        sh("udevadm", "control", "--exit")
        a.run(relink, a.links)
    world.unfenced()
