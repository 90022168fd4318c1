# SPDX-License-Identifier: Apache-2.0
# The shared disks of the guest, each reached over a path of its own by the server and by each of the clients.
#   guest_disks.sh scsi|nvme|block PATHS NAME:MIB...
# Says for each disk: "disk", its name, the name below /dev/disk/by-id that clients look for (or "-"), then a device for
# each path, the server's first.
set -eu
type=$1 paths=$2
shift 2
config=/sys/kernel/config
modprobe configfs
mountpoint -q $config || mount -t configfs c $config

backing() { # NAME:MIB
	# Here is one already, with a cache.
	[ "${1%:*}" != volatile ] || { echo /dev/nbd0; return; }
	truncate -s "${1#*:}M" "/dev/shm/${1%:*}"
	echo "/dev/shm/${1%:*}"
}

block_device() { # NAME:MIB
	local file
	file=$(backing "$1")
	[ -b "$file" ] && echo "$file" || losetup -f --show "$file"
}

unique() { # NUMBER: the disk's serial number, NGUID.  LIO makes an NAA name of the first 25 digits.
	echo "6a1d0c$(printf %02x "$1")-2f6b-4e0c-9d3e-7b1f40a8c211"
}

wait_for() {
	local try
	for try in $(seq 300); do
		[ ! -e "$1" ] || return 0
		sleep 0.1
	done
	echo "$1 does not appear" >&2
	return 1
}

target=iqn.2026-01.org.example:shared
portal=127.0.0.1:3260

# The device of a LUN as a path sees it; no udev is here to name it.
scsi_device() { # PATH LUN
	local session name dir try
	for session in /sys/class/iscsi_session/session*; do
		read -r name <"$session/ifacename"
		[ "$name" = "path$1" ] || continue
		for try in $(seq 300); do
			for dir in "$session"/device/target*/*:*:*:"$2"/block/*; do
				[ ! -d "$dir" ] || { echo "${dir##*/}"; return 0; }
			done
			sleep 0.1
		done
	done
	echo "path $1 has no LUN $2" >&2
	return 1
}

lun_up() { # NUMBER NAME:MIB
	local core file
	file=$(backing "$2")
	if [ -b "$file" ]; then
		core=$config/target/core/iblock_$1/${2%:*}
		mkdir -p "$core"
		echo "udev_path=$file" >"$core/control"
	else
		core=$config/target/core/fileio_$1/${2%:*}
		mkdir -p "$core"
		echo "fd_dev_name=$file,fd_dev_size=$((${2#*:} << 20))" >"$core/control"
	fi
	echo 1 >"$core/enable"
	unique "$1" >"$core/wwn/vpd_unit_serial"
	[ -b "$file" ] || echo 1 >"$core/attrib/emulate_tpu"
	mkdir -p "$group/lun/lun_$1"
	ln -s "$core" "$group/lun/lun_$1/port"
}

path_up() { # PATH: its initiator may use all LUNs, and can log in
	local acl=$group/acls/iqn.2026-01.org.example:path$1 lun
	mkdir -p "$acl"
	for lun in "$group"/lun/lun_*; do
		mkdir -p "$acl/${lun##*/}"
		ln -s "$lun" "$acl/${lun##*/}/lun"
	done
	# An emulated machine is slow at times: then 3 seconds, as by default, break the connection.
	echo 60 >"$acl/attrib/dataout_timeout"
	printf '%s\n' "iface.iscsi_ifacename = path$1" "iface.transport_name = tcp" \
		"iface.initiatorname = iqn.2026-01.org.example:path$1" >"/etc/iscsi/ifaces/path$1"
	iscsiadm -m node -T $target -p "$portal,1" -I "path$1" -o new
}

# LUNs of Linux's iSCSI target, logged in to once for each path under another initiator's name: reservations tell
# initiators apart.  (Over tcm_loop, which would be simpler, 6.12 hangs in PREEMPT AND ABORT.)
scsi_up() {
	local number=0 disk i device devices try
	mkdir -p /etc/target/pr /var/target/pr /run/lock/iscsi /etc/iscsi/ifaces
	modprobe -a target_core_mod target_core_file target_core_iblock iscsi_target_mod iscsi_tcp sd_mod
	group=$config/target/iscsi/$target/tpgt_1
	mkdir -p "$group/np/$portal"
	for disk; do
		lun_up $number "$disk"
		number=$((number + 1))
	done
	echo 0 >"$group/attrib/authentication"
	echo 1 >"$group/enable"
	echo "InitiatorName=iqn.2026-01.org.example:guest" >/etc/iscsi/initiatorname.iscsi
	printf '%s = 0\n' 'node.conn[0].timeo.noop_out_interval' 'node.conn[0].timeo.noop_out_timeout' >>/etc/iscsi/iscsid.conf
	iscsid
	for i in $(seq "$paths"); do
		path_up "$i"
	done
	# All at the same time; of those that did not succeed once more.
	for try in 1 2 3; do
		! iscsiadm -m node --login || break
		sleep 1
	done
	number=0
	for disk; do
		devices=
		for i in $(seq "$paths"); do
			device=$(scsi_device "$i" $number)
			wait_for "/dev/$device"
			echo 180 >"/sys/block/$device/device/timeout"
			devices="$devices /dev/$device"
		done
		echo "disk ${disk%:*} wwn-$(sg_vpd -p di_lu -q "/dev/$device" | awk '/0x/ { print $1; exit }')$devices"
		number=$((number + 1))
	done
}

# The device of a namespace as a path sees it: its number there tells nothing, since they are looked for all at once.
nvme_device() { # PATH NAMESPACE
	local try controller nsid found
	for try in $(seq 300); do
		for controller in /sys/class/nvme/nvme*; do
			read -r found <"$controller/hostnqn" && [ "$found" = "nqn.2026-01.org.example:path$1" ] || continue
			for nsid in "$controller"/nvme*n*/nsid; do
				[ -e "$nsid" ] && read -r found <"$nsid" && [ "$found" = "$2" ] || continue
				nsid=${nsid%/nsid}
				echo "${nsid##*/}"
				return 0
			done
		done
		sleep 0.1
	done
	echo "path $1 has no namespace $2" >&2
	return 1
}

# Namespaces of Linux's NVMe target over its loop transport, with a host name and host identifier for each path.
# Reservations came with Linux 6.13; with multipath the kernel would make one device of all paths.  Some have no UUID, of
# which udev would make their name.
nvme_up() {
	local name=nqn.2026-01.org.example:shared subsystem port number=0 disk i device devices
	modprobe -a nvmet nvme_loop loop
	subsystem=$config/nvmet/subsystems/$name
	port=$config/nvmet/ports/1
	mkdir "$subsystem"
	echo 1 >"$subsystem/attr_allow_any_host"
	for disk; do
		number=$((number + 1))
		mkdir "$subsystem/namespaces/$number"
		block_device "$disk" >"$subsystem/namespaces/$number/device_path"
		unique $number >"$subsystem/namespaces/$number/device_nguid"
		case ${disk%:*} in
		second | small) echo 00000000-0000-0000-0000-000000000000 >"$subsystem/namespaces/$number/device_uuid" ;;
		esac
		echo 1 >"$subsystem/namespaces/$number/resv_enable"
		echo 1 >"$subsystem/namespaces/$number/enable"
	done
	mkdir "$port"
	echo loop >"$port/addr_trtype"
	ln -s "$subsystem" "$port/subsystems/"
	for i in $(seq "$paths"); do
		echo "transport=loop,nqn=$name,hostnqn=nqn.2026-01.org.example:path$i,hostid=00000000-0000-4000-8000-00000000000$i" >/dev/nvme-fabrics
	done
	number=0
	for disk; do
		number=$((number + 1))
		devices=
		for i in $(seq "$paths"); do
			device=$(nvme_device "$i" $number)
			wait_for "/dev/$device"
			devices="$devices /dev/$device"
		done
		# The name that udev makes with docs/99-lamina-nvme.rules, as scenario udev shows; no udev runs here otherwise.
		echo "disk ${disk%:*} nvme-eui.$(tr -d - <"/sys/block/$device/nguid")$devices"
	done
}

# Devices without reservations, the same for all clients.  The server's is one of its own over them, which can be cut off.
block_up() {
	local disk device name i
	modprobe -a loop dm_mod
	for disk; do
		device=$(block_device "$disk")
		name=server.$(basename "$device")
		DM_DISABLE_UDEV=1 dmsetup create "$name" --table "0 $(blockdev --getsz "$device") linear $device 0"
		echo "disk ${disk%:*} - /dev/$(dmsetup info -c --noheadings -o blkdevname "$name")" $(for i in $(seq 2 "$paths"); do echo "$device"; done)
	done
}

"${type}_up" "$@"
