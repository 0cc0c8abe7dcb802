#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The first and only process of an emulated machine: runs the programs of /tests, says on the second
# serial port what each printed and how it ended, and ends the machine. Its shell is busybox's.
#
# From the kernel's command line, as variables: VM_GUEST, what guest is told of the machine;
# VM_SETUP, what is done to it first (offline=CPU,CPU cpuset=CPUS/NODES); VM_TESTS, the programs.

export PATH=/bin HOME=/ CMOCKA_MESSAGE_OUTPUT=STDOUT

set_up() # offline=CPU,... | cpuset=CPUS/NODES
{
	case $1 in
	offline=*)
		for cpu in $(echo "${1#offline=}" | tr , ' '); do
			echo 0 >"/sys/devices/system/cpu/cpu$cpu/online" || return 1
		done
		;;
	cpuset=*)
		cpus=${1#cpuset=}
		mkdir -p /cgroup && mount -t cgroup2 none /cgroup || return 1
		echo +cpuset >/cgroup/cgroup.subtree_control || return 1
		mkdir /cgroup/tests || return 1
		echo "${cpus%/*}" >/cgroup/tests/cpuset.cpus || return 1
		echo "${cpus#*/}" >/cgroup/tests/cpuset.mems || return 1
		echo $$ >/cgroup/tests/cgroup.procs || return 1
		;;
	*) return 1 ;;
	esac
}

run() # PROGRAM ARGUMENT ...
{
	began=$(cut -d. -f1 /proc/uptime)
	echo "VM-PROGRAM ${1#/tests/}"
	timeout -s KILL "${VM_SECONDS:-60}" "$@" </dev/null
	echo "
VM-EXIT $? $(($(cut -d. -f1 /proc/uptime) - began)) s"
}

mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm /tmp
mount -t tmpfs none /tmp
ip link set lo up
exec >/dev/ttyS1 2>&1
stty -opost 2>/dev/null <&1

echo VM-START
for step in $VM_SETUP; do
	set_up "$step" || echo "VM-BROKEN $step"
done
# shellcheck disable=SC2086
run /tests/vm/guest $VM_GUEST
for program in $VM_TESTS; do
	run "/tests/$program"
done
echo VM-END
sleep 1
reboot -f
