#!/bin/sh
# Becomes process 1 of one host of the lab, in namespaces of its own: boot.sh NAME DIRECTORY HOSTS
# Whatever it mounts is seen by this host alone and goes with its last process.
set -eu
name=$1 directory=$2 hosts=$3

hostname "$name"
for tree in etc/libvirt etc/ssh var/lib/libvirt var/log/libvirt var/cache/libvirt; do
    mount --bind "$directory/$tree" "/$tree"
done
mount --bind "$hosts" /etc/hosts
mount --bind "$directory/etc/shadow" /etc/shadow    # sshd lets nobody in whose password is locked with a "!"
mount --bind "$directory/etc/passwd" /etc/passwd    # a login must not run what this machine's root has in its .bashrc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/libvirt /run/lock /run/sshd

/usr/sbin/sshd
virtlogd --daemon
libvirtd --listen --daemon --pid-file /run/libvirtd.pid

# Process 1 has to live on, and to bury the orphans: a waiting shell does.
while :; do
    sleep 3600 &
    wait $!
done
