# SPDX-License-Identifier: Apache-2.0
# One shared disk in the guest, reached over a path of its own by the server and by each of the clients.
#   guest_disks.sh scsi|nvme|block MIB PATHS
# The last line says: the name below /dev/disk/by-id that clients look for (or "-"), then a device for each path, the
# server's first.
set -eu
type=$1 mib=$2 paths=$3
backing=/dev/shm/shared
config=/sys/kernel/config
modprobe configfs
mountpoint -q $config || mount -t configfs c $config
truncate -s "${mib}M" $backing

# A LUN of Linux's iSCSI target, logged in to once for each path under another initiator's name: reservations tell
# initiators apart.  (Over tcm_loop, which would be simpler, 6.12 hangs in PREEMPT AND ABORT.)
scsi_up() {
	local target=iqn.2026-01.org.example:shared portal=127.0.0.1:3260 core lun group acl setting try i
	mkdir -p /etc/target/pr /var/target/pr /run/lock/iscsi /etc/iscsi
	modprobe -a target_core_mod target_core_file iscsi_target_mod iscsi_tcp sd_mod
	core=$config/target/core/fileio_0/shared
	group=$config/target/iscsi/$target/tpgt_1
	mkdir -p "$core"
	echo "fd_dev_name=$backing,fd_dev_size=$((mib << 20))" >"$core/control"
	echo 1 >"$core/enable"
	echo 6a1d0c55-2f6b-4e0c-9d3e-7b1f40a8c211 >"$core/wwn/vpd_unit_serial"
	echo 1 >"$core/attrib/emulate_tpu"
	lun=$group/lun/lun_0
	mkdir -p "$lun" "$group/np/$portal"
	ln -s "$core" "$lun/port"
	echo 0 >"$group/attrib/authentication"
	for i in $(seq "$paths"); do
		acl=$group/acls/iqn.2026-01.org.example:path$i
		mkdir -p "$acl/lun_0"
		ln -s "$lun" "$acl/lun_0/lun"
		# An emulated machine is slow at times: then 3 seconds, as by default, break the connection.
		echo 60 >"$acl/attrib/dataout_timeout"
	done
	echo 1 >"$group/enable"
	echo "InitiatorName=iqn.2026-01.org.example:guest" >/etc/iscsi/initiatorname.iscsi
	iscsid
	for i in $(seq "$paths"); do
		iscsiadm -m iface -I "path$i" -o new
		iscsiadm -m iface -I "path$i" -o update -n iface.initiatorname -v "iqn.2026-01.org.example:path$i"
		iscsiadm -m node -T $target -p "$portal,1" -I "path$i" -o new
		for setting in conn[0].timeo.noop_out_interval=0 conn[0].timeo.noop_out_timeout=0; do
			iscsiadm -m node -T $target -p $portal -I "path$i" -o update -n "node.${setting%=*}" -v "${setting#*=}"
		done
		for try in 1 2 3; do
			! iscsiadm -m node -T $target -p $portal -I "path$i" --login || break
			sleep 1
		done
		wait_for "/dev/sd$(letter "$i")"
		echo 180 >"/sys/block/sd$(letter "$i")/device/timeout"
	done
	echo "wwn-$(sg_vpd -p di_lu -q /dev/sda | awk '/0x/ { print $1; exit }')" $(for i in $(seq "$paths"); do echo "/dev/sd$(letter "$i")"; done)
}

letter() {
	echo abcdefgh | cut -c "$1"
}

wait_for() {
	local try
	for try in $(seq 100); do
		[ ! -b "$1" ] || return 0
		sleep 0.1
	done
	echo "$1 does not appear" >&2
	return 1
}

# A namespace of Linux's NVMe target over its loop transport, with a host name and host identifier for each path.
# Reservations came with Linux 6.13; with multipath the kernel would make one device of all paths.
nvme_up() {
	local name=nqn.2026-01.org.example:shared loop subsystem port i
	modprobe -a nvmet nvme_loop loop
	loop=$(losetup -f --show $backing)
	subsystem=$config/nvmet/subsystems/$name
	port=$config/nvmet/ports/1
	mkdir "$subsystem"
	echo 1 >"$subsystem/attr_allow_any_host"
	mkdir "$subsystem/namespaces/1"
	echo "$loop" >"$subsystem/namespaces/1/device_path"
	echo 6a1d0c55-2f6b-4e0c-9d3e-7b1f40a8c211 >"$subsystem/namespaces/1/device_nguid"
	echo 1 >"$subsystem/namespaces/1/resv_enable"
	echo 1 >"$subsystem/namespaces/1/enable"
	mkdir "$port"
	echo loop >"$port/addr_trtype"
	ln -s "$subsystem" "$port/subsystems/"
	for i in $(seq "$paths"); do
		echo "transport=loop,nqn=$name,hostnqn=nqn.2026-01.org.example:path$i,hostid=00000000-0000-4000-8000-00000000000$i" >/dev/nvme-fabrics
		wait_for "/dev/nvme$((i - 1))n1"
	done
	# The name that udev makes with docs/99-lamina-nvme.rules.
	echo "nvme-eui.$(tr -d - </sys/block/nvme0n1/nguid)" $(for i in $(seq "$paths"); do echo "/dev/nvme$((i - 1))n1"; done)
}

# A device without reservations, the same for all.
block_up() {
	local loop i
	modprobe loop
	loop=$(losetup -f --show $backing)
	echo - $(for i in $(seq "$paths"); do echo "$loop"; done)
}

"${type}_up"
