"""Programs that administer a host, and those of their commands that only show something."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from hoopgate.policy.operations import Object
from hoopgate.policy.shell.call import Call, Judge
from hoopgate.policy.shell.values import Value


@frozen
class Administrator:
    """``effect`` of everything but ``shows``: commands (the first operand) or options that only show something, as long
    as nothing else in the line is an option that is not plain."""

    effect: str
    kind: str
    shows: frozenset[str] = frozenset()


def _shows(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SERVICE: Final = "admin.service"
_PACKAGE: Final = "admin.package"
_ROLE: Final = "admin.role"
_STORAGE: Final = "admin.storage"
_NETWORK: Final = "admin.network"
_CONTAINER: Final = "admin.container"

ADMINISTRATORS: Final[Mapping[str, Administrator]] = {
    "systemctl": Administrator(
        _SERVICE, "service",
        _shows("status is-active is-enabled is-failed is-system-running show cat list-units list-unit-files "
            "list-timers "
               "list-dependencies list-sockets get-default show-environment"),
    ),
    "service": Administrator(_SERVICE, "service", _shows("--status-all")),
    **dict.fromkeys(
        ("reboot", "shutdown", "halt", "poweroff", "init", "telinit", "rc-service", "rc-update", "initctl",
        "supervisorctl",
         "update-rc.d", "chkconfig", "sv", "kexec", "loginctl", "monit", "pm2"),
        Administrator(_SERVICE, "service"),
    ),
    "apt": Administrator(_PACKAGE, "package", _shows("list show search policy")),
    "apt-cache": Administrator(_PACKAGE, "package", _shows("show search policy depends rdepends stats madison "
    "showpkg")),
    "dpkg": Administrator(_PACKAGE, "package", _shows("-l -L -s -S --list --listfiles --status --search "
    "--print-architecture")),
    "rpm": Administrator(_PACKAGE, "package", _shows("-q -qa -ql -qi -qf")),
    "pip": Administrator(_PACKAGE, "package", _shows("list show freeze check --version")),
    "gem": Administrator(_PACKAGE, "package", _shows("list --version")),
    "snap": Administrator(_PACKAGE, "package", _shows("list info find version")),
    "yum": Administrator(_PACKAGE, "package", _shows("list info search repolist")),
    "brew": Administrator(_PACKAGE, "package", _shows("list info search --version")),
    **dict.fromkeys(
        ("apt-get", "apt-key", "aptitude", "add-apt-repository", "dnf", "zypper", "pacman", "apk", "flatpak",
        "pipx", "easy_install",
         "conda", "mamba", "update-alternatives", "dpkg-reconfigure", "opkg", "emerge", "nix-env", "cpan"),
        Administrator(_PACKAGE, "package"),
    ),
    **dict.fromkeys(
        ("useradd", "adduser", "userdel", "deluser", "usermod", "groupadd", "addgroup", "groupdel", "delgroup",
        "groupmod",
         "gpasswd", "passwd", "chpasswd", "chage", "chsh", "chfn", "visudo", "vipw", "vigr", "newusers",
         "pwck", "htpasswd"),
        Administrator(_ROLE, "user"),
    ),
    **dict.fromkeys(
        ("umount", "mkfs", "mkswap", "swapon", "swapoff", "fdisk", "sfdisk", "gdisk", "sgdisk", "parted",
        "partprobe", "wipefs",
         "fsck", "e2fsck", "resize2fs", "tune2fs", "xfs_growfs", "xfs_repair", "losetup", "cryptsetup",
         "mdadm", "lvcreate",
         "lvremove", "lvextend", "lvresize", "vgcreate", "vgremove", "vgextend", "pvcreate", "pvremove",
         "dmsetup", "zfs", "zpool",
         "btrfs", "hdparm", "badblocks", "blkdiscard", "fstrim", "quotaon", "setquota", "mkfs.ext4",
         "mkfs.xfs", "mkfs.ext3",
         "mkfs.vfat", "mkfs.btrfs", "mke2fs", "blockdev", "fusermount", "sync-disks"),
        Administrator(_STORAGE, "device"),
    ),
    "mount": Administrator(_STORAGE, "device", _shows("-l")),
    "lvs": Administrator(_STORAGE, "device"),
    "ip": Administrator(_NETWORK, "network", _shows("-br -4 -6 -s a addr address l link r route n neigh "
    "neighbour rule")),
    **dict.fromkeys(
        ("iptables", "ip6tables", "nft", "ufw", "firewall-cmd", "route", "brctl", "tc", "ethtool", "nmcli",
        "netplan", "ifup",
         "ifdown", "iw", "wg", "wg-quick", "tcpdump", "tshark", "arp", "ipset", "resolvectl", "dhclient", "openvpn",
         "iptables-save", "iptables-restore", "conntrack", "ngrep"),
        Administrator(_NETWORK, "network"),
    ),
    "ifconfig": Administrator(_NETWORK, "network", _shows("-a")),
    "docker": Administrator(
        _CONTAINER, "container",
        _shows("ps images logs inspect version info stats top port diff history"),
    ),
    "podman": Administrator(
        _CONTAINER, "container",
        _shows("ps images logs inspect version info stats top port diff history"),
    ),
    "kubectl": Administrator(
        _CONTAINER, "container", _shows("get describe logs top version api-resources explain cluster-info")
    ),
    **dict.fromkeys(
        ("docker-compose", "nerdctl", "ctr", "crictl", "lxc", "lxc-attach", "virsh", "vagrant", "helm", "oc",
        "buildah",
         "minikube", "kind", "k3s", "qemu-system-x86_64", "systemd-nspawn", "VBoxManage", "ctl", "runc",
         "singularity",
         "apptainer", "bwrap", "firejail"),
        Administrator(_CONTAINER, "container"),
    ),
    **dict.fromkeys(("modprobe", "insmod", "rmmod", "depmod", "dkms",
    "ldconfig"), Administrator("admin.extension", "module")),
    **dict.fromkeys(
        ("sysctl", "hostnamectl", "timedatectl", "localectl", "hwclock", "setenforce", "semanage", "setsebool",
        "auditctl",
         "aa-enforce", "aa-complain", "update-grub", "grub-install", "efibootmgr", "ntpdate", "chronyc",
         "logrotate", "alternatives",
         "update-ca-certificates", "ssh-keygen", "authconfig", "stty", "setterm", "loadkeys", "restorecon",
         "ldapmodify", "wall"),
        Administrator("admin.setting", "setting"),
    ),
    "crontab": Administrator("admin.schedule", "schedule", _shows("-l")),
    **dict.fromkeys(("at", "batch", "atrm", "systemd-run", "anacron",
    "incrontab"), Administrator("admin.schedule", "schedule")),
    **dict.fromkeys(
        ("killall", "pkill", "skill", "snice", "renice", "strace", "ltrace", "gdb", "perf", "gcore",
        "bpftrace", "tmux", "screen",
         "dtach", "reptyr", "fuser", "xkill", "rfkill", "killall5", "start-stop-daemon", "daemon"),
        Administrator("admin.process", "process"),
    ),
}  # fmt: skip

_ALIASES: Final = {"pip3": "pip", "pip2": "pip", "mkfs.ext2": "mkfs.ext3"}
_MODEST: Final = re.compile(
    r"-[a-zA-Z]{1,4}|"
    r"--(?:no-pager|all|quiet|full|no-legend|tail=\d+|since=\S+|namespace=\S+|lines=\d+|type=\S+|state=\S+)|"
    r"--(?:format|output|property)=[\w{}.,:\\\" -]*"
)
_STRONG: Final = re.compile(r"-\w*[HMEeCc]\w*")  # another host, container, or a file of settings
_CHANGING: Final = frozenset(
    {"add", "del", "delete", "set", "change", "replace", "flush", "append", "up", "down", "exec"}
)
# these run a program that stands in their arguments
_RUNNING: Final = frozenset({"docker", "podman", "kubectl", "lxc-attach", "tmux", "screen", "strace", "ltrace",
"gdb", "perf",
                             "systemd-run", "bwrap", "firejail", "at", "batch", "nerdctl", "oc",
                             "docker-compose"})  # fmt: skip


def _administrator(call: Call) -> None:
    name = _ALIASES.get(call.name, call.name)
    administrator = ADMINISTRATORS[name]
    words = call.arguments
    if _only_shows(administrator, words, name):
        call.add(
            "read",
            [Object("", value.shown, administrator.kind) for value in words if not value.text.startswith("-")][1:],
        )
        return
    named = [Object("", value.shown, administrator.kind) for value in words if not value.text.startswith("-")]
    call.add(administrator.effect, named[:20])


def _only_shows(administrator: Administrator, words: tuple[Value, ...], name: str) -> bool:
    if not words:
        return name in ("mount", "ifconfig", "docker", "kubectl", "systemctl", "route", "arp", "lvs")
    if name == "service":
        return len(words) == 2 and words[1].exact and words[1].text == "status"
    if not administrator.shows or not all(value.exact for value in words):
        return False
    at = next((place for place, value in enumerate(words) if value.text in administrator.shows), -1)
    before, after = words[:at], words[at + 1 :]
    if at < 0 or not all(_modest(value, name) for value in before):
        return False
    if any(value.text in _CHANGING for value in after):
        return False
    return all(_modest(value, name) for value in after if value.text.startswith("-"))


def _modest(value: Value, name: str) -> bool:
    known = _MODEST.fullmatch(value.text) is not None
    return known and not (name in ("systemctl", "dpkg", "rpm", "crontab") and _STRONG.fullmatch(value.text))


JUDGES: Final[Mapping[str, Judge]] = {**dict.fromkeys((*ADMINISTRATORS, *_ALIASES), _administrator)}
