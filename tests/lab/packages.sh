#!/bin/sh
# Install what the lab (tests/lab) needs, on Debian and its kin. Does nothing when all is there.
# Who may install nothing gets one line and status 0, and the lab's tests skip; with CI=true, status 1.
set -eu

packages="libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 iproute2
    openssh-server openssh-client postgresql"

no_lab() {
    echo "no lab here: $1"
    if [ "${CI:-}" = true ]; then exit 1; fi
    exit 0
}

is_installed() { dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

is_offered() { apt-cache --quiet=0 policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

command -v apt-get >/dev/null || no_lab "this is not Debian; it needs the like of $(echo $packages)"

missing=
for package in $packages; do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || no_lab "neither root nor sudo without a password, to install$missing"
    as_root="sudo -n"
fi

apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null; }

for package in $missing; do
    is_offered "$package" || { apt update; break; }
done
# Old lists may name versions that the archive no longer has: then once more with new ones.
apt install --no-install-recommends $missing || { apt update && apt install --no-install-recommends $missing; } ||
    no_lab "apt-get could not install$missing"
