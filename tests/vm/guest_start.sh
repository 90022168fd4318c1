# SPDX-License-Identifier: Apache-2.0
# Second program of the guest: the usual file systems and /out/rc, the exit code of /guest/job.sh.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
for dir in /tmp /run /dev/shm; do
	mkdir -p $dir
	mount -t tmpfs t $dir
done
mkdir -p /dev/pts
mount -t devpts p /dev/pts
mount -t debugfs d /sys/kernel/debug 2>/dev/null
ln -sfn /proc/self/fd /dev/fd
ulimit -n 65536
hostname guest
modprobe virtio_net
ip link set lo up
cd /guest
timeout -k 5 "$(cat /guest/limit)" bash /guest/job.sh </dev/null
echo $? >/out/rc
sync
echo o >/proc/sysrq-trigger
sleep 5
poweroff -f
