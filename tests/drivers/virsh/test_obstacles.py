from __future__ import annotations

import pytest
from rebalancer_virsh.obstacles import obstacles
from rebalancer_virsh.storage import SharedStorage, pool_commands, shared_storage

from rebalancer.drivers.xml import parse_xml

STORAGE = SharedStorage(("/srv/shared", "/dev/mapper/san"), frozenset({"ceph"}))


def found(devices: str, rest: str = "", *, drops_cache: bool = True) -> tuple[str, ...]:
    document = f"<domain type='kvm'>{rest}<devices>{devices}</devices></domain>"
    return obstacles(parse_xml(document.encode(), "domain"), STORAGE, drops_cache=drops_cache)


def disk(source: str, kind: str = "file", extra: str = "", cache: str = "cache='none'", device: str = "disk") -> str:
    return (
        f"<disk type='{kind}' device='{device}'><driver name='qemu' type='qcow2' {cache}/>{source}"
        f"<target dev='vda' bus='virtio'/>{extra}</disk>"
    )


def hostdev(kind: str, source: str) -> str:
    return f"<hostdev mode='subsystem' type='{kind}'><source>{source}</source></hostdev>"


@pytest.mark.parametrize(
    "devices",
    [
        "",
        disk("", device="cdrom"),
        disk("<source/>", device="floppy"),
        disk("<source file='/local/x.iso'/>", device="cdrom"),
        disk("<source file='/local/x.img'/>", extra="<readonly/>"),
        disk("<source file='/srv/shared/x.qcow2'/>"),
        disk("<source dev='/dev/mapper/san/lun1'/>", "block"),
        disk("<source protocol='rbd' name='pool/image'><host name='10.0.0.1'/></source>", "network", cache=""),
        disk("<source protocol='nfs' name='/x'/>", "network"),
        disk("<source pool='ceph' volume='x'/>", "volume"),
        disk(
            "<source file='/srv/shared/x'/>",
            extra="<backingStore type='file'><source file='/srv/shared/b'/></backingStore>",
        ),
        disk("<source file='/srv/shared/x'/>", extra="<backingStore/>"),
        "<interface type='bridge'><source bridge='br0'/></interface>",
        "<interface type='hostdev'><mac address='52:54:00:00:00:01'/><teaming type='transient'/></interface>",
        "<tpm model='tpm-crb'><backend type='emulator'/></tpm>",
    ],
)
def test_what_is_no_obstacle(devices: str) -> None:
    assert found(devices) == ()


@pytest.mark.parametrize(
    ("devices", "reason"),
    [
        (disk("<source file='/var/lib/x.qcow2'/>"), "disk vda is on local storage (/var/lib/x.qcow2)"),
        (disk("<source file='/srv/shared-not/x'/>"), "disk vda is on local storage (/srv/shared-not/x)"),
        (disk("<source file='/srv/shared/../x'/>"), "disk vda is on local storage (/srv/shared/../x)"),
        (disk("<source dev='/dev/sdb'/>", "block"), "disk vda is on local storage (/dev/sdb)"),
        (disk("<source dir='/data'/>", "dir"), "disk vda is on local storage (/data)"),
        (disk("<source pool='default' volume='x'/>", "volume"), "disk vda is in the local pool 'default'"),
        (
            disk("<source protocol='nbd'><host transport='unix' socket='/run/x'/></source>", "network"),
            "disk vda is behind a local socket",
        ),
        (
            disk("<source type='pci' namespace='1'><address bus='0x01'/></source>", "nvme"),
            "disk vda is a passed-through NVMe drive",
        ),
        (
            disk(
                "<source file='/srv/shared/x'/>",
                extra="<backingStore type='file'><source file='/base'/></backingStore>",
            ),
            "the backing file of disk vda is on local storage (/base)",
        ),
        (disk("<source file='/srv/shared/x'/>", extra="<transient/>"), "disk vda is transient"),
        (
            hostdev("pci", "<address domain='0x0000' bus='0x06' slot='0x12' function='0x5'/>"),
            "host device (pci 0000:06:12.5) is passed through",
        ),
        (
            hostdev("usb", "<vendor id='0x1d6b'/><product id='0x0002'/>"),
            "host device (usb 1d6b:0002) is passed through",
        ),
        (
            "<hostdev mode='subsystem' type='mdev'><source><address uuid='c2177883'/></source></hostdev>",
            "host device (mdev c2177883) is passed through",
        ),
        ("<hostdev mode='subsystem' type='scsi_host'/>", "host device (scsi_host) is passed through"),
        (
            "<interface type='hostdev'><mac address='52:54:00:00:00:01'/></interface>",
            "interface 52:54:00:00:00:01 is a passed-through device (type 'hostdev')",
        ),
        (
            "<interface type='vdpa'><mac address='52:54:00:00:00:01'/></interface>",
            "interface 52:54:00:00:00:01 is a passed-through device (type 'vdpa')",
        ),
        (
            "<filesystem type='mount'><driver type='virtiofs'/><target dir='data'/></filesystem>",
            "filesystem 'data' is a directory of the host (virtiofs)",
        ),
        (
            "<filesystem type='mount'><target dir='data'/></filesystem>",
            "filesystem 'data' is a directory of the host (9p)",
        ),
        ("<shmem name='shared0'/>", "shared memory 'shared0' is this host's"),
        ("<tpm><backend type='passthrough'/></tpm>", "tpm is passed through"),
    ],
)
def test_obstacles_name_the_device(devices: str, reason: str) -> None:
    assert found(devices) == (reason,)


def test_a_cached_disk_is_an_obstacle_only_for_qemu_that_keeps_the_cache() -> None:
    cached = disk("<source file='/srv/shared/x'/>", cache="")
    assert found(cached) == ()
    assert found(cached, drops_cache=False) == (
        "disk vda has cache='default', with which libvirt refuses to migrate: set cache='none'",
    )
    assert found(disk("<source file='/srv/shared/x'/>", cache="cache='directsync'"), drops_cache=False) == ()
    assert found(disk("<source protocol='rbd' name='x'/>", "network", cache=""), drops_cache=False) == ()


def test_processors() -> None:
    invtsc = "<cpu><feature policy='require' name='invtsc'/></cpu>"
    timer = "<clock><timer name='tsc' frequency='2596150000'/></clock>"
    assert found("", invtsc) == ("cpu feature 'invtsc' needs <timer name='tsc' frequency=…>",)
    assert found("", invtsc + timer) == ()
    assert found("", "<launchSecurity type='sev'/>") == ("memory is encrypted (sev)",)


def test_all_reasons_are_given() -> None:
    assert len(found(disk("<source file='/x'/>") + "<shmem name='a'/>")) == 2


def test_networked_pools_are_shared() -> None:
    uuid = "7d0e85ba-2118-4f16-866e-915f206f88e6"
    assert pool_commands(f"{uuid}\n\n".encode()) == (f"pool-dumpxml {uuid}",)
    with pytest.raises(ValueError, match="is not a UUID"):
        pool_commands(b"a; b\n")
    nfs = b"<pool type='netfs'><name>nfs</name><target><path>/mnt/nfs</path></target></pool>"
    rbd = b"<pool type='rbd'><name>ceph</name></pool>"
    iscsi = b"<pool type='iscsi'><name>san</name><target><path>/dev/disk/by-path</path></target></pool>"
    storage = shared_storage(["/srv"], [nfs, rbd, iscsi, b"\n"])
    assert storage == SharedStorage(("/srv", "/mnt/nfs"), frozenset({"nfs", "ceph", "san"}))
    assert storage.holds("/mnt/nfs/x")
    assert not storage.holds("/mnt/nfsx")
