"""Programs that read: files, or nothing but the host's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from hoopgate.policy.shell.call import Call, Judge
from hoopgate.policy.shell.options import options, taken


@frozen
class Reader:
    """A program that reads its operands. ``first``: the first of them is no file but a pattern, unless one of the
    options ``instead`` gives that. ``last``: how many operands stand before one that is written."""

    known: str
    first: bool = False
    instead: tuple[str, ...] = ()
    last: int = 0
    operands: bool = True


_GREP: Final = Reader(
    "-e= -f< -m= -A= -B= -C= -d= -D= --regexp= --file< --max-count= --after-context= --before-context= "
    "--context= --include= "
    "--exclude= --exclude-from< --exclude-dir= --color= --colour= --label= --binary-files= --directories= "
    "--devices= *",
    True,
    ("-e", "-f", "--regexp", "--file"),
)
_SUMS: Final = Reader("-c --check *")
_PLAIN: Final = Reader("*")
_TEXT: Final = Reader("*", operands=False)

READERS: Final[Mapping[str, Reader]] = {
    **dict.fromkeys(
        (
            "cat", "tac", "rev", "wc", "ls", "dir", "stat", "df", "readlink", "realpath", "cmp", "comm", "paste",
            "fold", "expand", "unexpand", "zcat", "bzcat", "xzcat", "zstdcat", "look", "cksum", "sum",
            "getfacl", "lsattr",
            "namei", "diff", "diff3", "colordiff", "wdiff", "tsort", "pr", "getcap", "bat", "batcat", "exa",
            "eza", "vdir", "mountpoint", "findmnt", "lsblk", "blkid", "zcmp", "zdiff", "ptx", "size", "readelf", "nm",
        ),
        _PLAIN,
    ),
    **dict.fromkeys(("md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "b2sum",
    "shasum"), _SUMS),
    **dict.fromkeys(("grep", "egrep", "fgrep", "zgrep", "zegrep", "zfgrep"), _GREP),
    **dict.fromkeys(
        (
            "echo", "seq", "sleep", "basename", "dirname", "expr", "factor", "numfmt", "printenv", "tr", "id",
            "whoami",
            "groups", "users", "who", "w", "uname", "arch", "nproc", "uptime", "free", "tty", "logname",
            "hostid", "ps",
            "pgrep", "pidof", "pstree", "vmstat", "iostat", "mpstat", "lscpu", "lsmod", "lspci", "lsusb",
            "lsof", "last",
            "lastlog", "locale", "getconf", "getent", "which", "whereis", "cal", "yes", "netstat", "pwdx",
            "pmap", "sar",
            "column", "uuidgen", "clear", "tput", "nvidia-smi", "sensors", "lsns", "ipcs",
            "quota", "modinfo", "dpkg-query", "runlevel", "lsb_release", "getopt",
        ),
        _TEXT,
    ),
    "head": Reader("-n= -c= --lines= --bytes= *"),
    "tail": Reader("-n= -c= -s= --lines= --bytes= --pid= --sleep-interval= *"),
    "nl": Reader("-b= -d= -f= -h= -i= -l= -n= -s= -v= -w= *"),
    "cut": Reader("-b= -c= -d= -f= --bytes= --characters= --delimiter= --fields= --output-delimiter= *"),
    "join": Reader("-a= -e= -i -1= -2= -j= -o= -t= -v= *"),
    "fmt": Reader("-w= -g= -p= *"),
    "od": Reader("-A= -j= -N= -S= -t= -w= *"),
    "hexdump": Reader("-n= -s= -e= -f< *"),
    "strings": Reader("-n= -t= -e= *"),
    "du": Reader("-d= -B= -t= -X< --max-depth= --block-size= --exclude= --threshold= --exclude-from< *"),
    "tree": Reader("-L= -P= -I= -a -d -f -h -i -l -n -p -s -u -g -C -D -F -J -X -r -t --du --dirsfirst "
    "--noreport -o>"),
    "sort": Reader(
        "-k= -t= -S= -o> -b -d -f -g -i -M -h -n -R -r -V -c -C -m -s -u -z --key= --field-separator= --buffer-size= "
        "--output> --reverse --unique --numeric-sort --human-numeric-sort --version-sort --stable --zero-terminated "
        "--ignore-case --check --parallel= --random-sort --merge"
    ),
    "uniq": Reader("-c -d -D -i -u -z -f= -s= -w= --count --repeated --unique --ignore-case", last=1),
    "shuf": Reader("-e -n= -r -z -o> -i= --head-count= --input-range= --output> --repeat --echo"),
    "base64": Reader("-d -i -w= --decode --wrap= --ignore-garbage"),
    "base32": Reader("-d -i -w= --decode --wrap="),
    "iconv": Reader("-f= -t= -c -s -l -o> --from-code= --to-code= --output> --list"),
    "file": Reader("-b -i -L -h -k -n -N -p -r -s -z -0 -F= --brief --mime --mime-type --mime-encoding "
    "--dereference"),
    "xxd": Reader("-a -b -c= -d -e -E -g= -i -l= -n= -o= -p -ps -r -s= -u", last=1),
    "jq": Reader(
        "-r -c -n -s -e -S -C -M -a -j -R --raw-output --compact-output --null-input --slurp --sort-keys "
        "--exit-status "
        "--raw-input --tab --arg= --argjson= --color-output --monochrome-output --join-output",
        True,
    ),
    "rg": Reader("-n -i -l -c -v -w -x -F -S -u -uu -g= -t= -T= -A= -B= -C= -m= -e= -o -r= -s --hidden "
    "--no-ignore --files "
                 "--glob= --type= --count --json --line-number --no-heading --color= --max-count=",
                 True, ("-e", "--files")),
    "ag": Reader("-i -l -c -v -w -n -s -Q -A= -B= -C= -G=", True),
    "date": Reader("-u -I -R -d= -r< --utc --date= --reference< --iso-8601 --rfc-3339 --rfc-email --universal",
    operands=False),
    "dmesg": Reader("-T -H -w -W -k -u -x -L -l= -f= -t --ctime --human --follow --level= --facility=",
    operands=False),
    "hostname": Reader("-a -A -d -f -i -I -s -y --fqdn --short --all-ip-addresses --ip-address", operands=False),
    "top": Reader("-b -n= -d= -p= -u= -o= -w= -H -c -1 -i -E= -e=", operands=False),
    "ss": Reader("-t -u -l -n -p -a -4 -6 -e -m -o -s -x -w -i -H -r --tcp --udp --listening --numeric "
    "--processes --all "
                 "--summary", operands=False),
    "journalctl": Reader(
        "-u= -n= -f -e -x -b -k -p= -S= -U= -o= -r -t= -g= -q -m -a -l --unit= --lines= --follow --no-pager "
        "--since= --until= "
        "--output= --priority= --boot --dmesg --reverse --grep= --identifier= --no-hostname --user-unit= "
        "--disk-usage "
        "--list-boots --catalog --utc --no-full",
        operands=False,
    ),
}  # fmt: skip


def _reader(call: Call) -> None:
    reader = READERS[call.name]
    line = taken(call.arguments, options(reader.known))
    if line.strange:
        call.program(line.strange)
    known = options(reader.known).kinds
    call.write([value for name, value in line.given if value is not None and known.get(name) == ">"])
    read = [value for name, value in line.given if value is not None and known.get(name) == "<"]
    operands = line.operands
    if reader.first and not line.has(*reader.instead):
        operands = operands[1:]
    if not reader.operands:
        if call.name in ("date", "hostname") and any(not value.text.startswith("+") for value in operands):
            call.add("admin.setting")
        call.read(read)
        return
    if reader.last:
        call.write(operands[reader.last :])
        operands = operands[: reader.last]
    call.read([*read, *operands])


def _less(call: Call) -> None:
    """Pagers run programs by their options and by their environment."""
    line = taken(call.arguments, options("-F -R -S -X -N -i -n -r -e -E -q -s -M"))
    if line.strange or any(value.text.startswith("+") for value in line.operands):
        call.program(line.strange or "it is given commands")
    call.read(line.operands)


JUDGES: Final[Mapping[str, Judge]] = {
    **dict.fromkeys(READERS, _reader),
    **dict.fromkeys(("less", "more", "most", "man", "info"), _less),
}
