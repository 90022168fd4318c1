#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# First program of the guest: this machine's files as a lower layer that can't be written, an upper one in memory,
# the kernel's modules, /guest (the scripts of one run) and /out (what they hand back).
/bin/busybox --install -s /bin
mount -t proc p /proc
mount -t sysfs s /sys
mount -t devtmpfs d /dev
for module in $(cat /modules/order); do
	insmod /modules/$module 2>/dev/null
done

share() {
	tag=$1
	at=$2
	mkdir -p $at
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,$3 $tag $at && return
	echo "guest: can't mount $tag"
	poweroff -f
}

share host /lower ro,cache=loose
mount -t tmpfs -o size=60% t /upper
mkdir -p /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work o /root || poweroff -f
share kernel /root/lib/modules ro,cache=loose
share job /root/guest ro,cache=loose
share out /root/out rw
for dir in proc sys dev; do
	mount --move /$dir /root/$dir
done
exec switch_root /root /bin/bash /guest/guest_start.sh
