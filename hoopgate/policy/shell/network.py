"""Programs that reach other hosts, and git."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from hoopgate.policy.operations import Object
from hoopgate.policy.shell import transfers
from hoopgate.policy.shell.call import Call, Judge
from hoopgate.policy.shell.hosts import hosts, local_files
from hoopgate.policy.shell.options import options, taken
from hoopgate.policy.shell.paths import entered, files
from hoopgate.policy.shell.values import ANY, Value

_CURL: Final = options(
    "-s -S -f -L -i -I -v -k -g -G -N -O -J -R -4 -6 -X= -H= -d= -o> -u= -A= -e= -m= -b= -c> -F= -T= -x= -w= "
    "-r= -C= -Z -# -# "
    "--silent --show-error --fail --location --include --head --verbose --insecure --compressed --request= "
    "--header= --data= "
    "--data-raw= --data-binary= --data-urlencode= --json= --output> --user= --user-agent= --max-time= "
    "--connect-timeout= --retry= "
    "--retry-delay= --retry-connrefused --retry-all-errors --form= --upload-file< --url= --write-out= "
    "--remote-name --get "
    "--fail-with-body --no-progress-meter --progress-bar --cacert< --cert< --key< --http1.1 --http2 --proto= "
    "--tlsv1.2 --tls-max= "
    "--remote-name-all --create-dirs --no-buffer --referer= --resolve= --limit-rate= --max-redirs= "
    "--oauth2-bearer= --range="
)


def _described(values: Sequence[Value]) -> list[Value]:
    """Files with what curl is to print."""
    return [Value(value.text[1:], value.exact) if value.exact else value for value in values if _is_file(value)]


def _is_file(value: Value) -> bool:
    return not value.exact or value.text.startswith("@")


def _curl(call: Call) -> None:
    line = taken(call.arguments, _CURL)
    if line.strange:
        call.dynamic(line.strange)
    asked = [*line.operands, *line.values("--url")]
    call.add("transfer.remote", hosts([*asked, *line.values("-x")]))
    if line.has("--resolve"):
        call.add("transfer.remote", [Object("", "*", "host")], why="names mean other hosts")
    if inside := [*local_files(asked), *_described(line.values("-w", "--write-out"))]:
        call.read(inside)
    if any("%output" in value.text or not value.exact for value in line.values("-w", "--write-out")):
        call.write([Value(ANY, exact=False)])
    call.write(line.values("-o", "-c", "--output"))
    if line.has("-O", "-J", "--remote-name", "--remote-name-all"):
        call.write([Value("*", exact=False)])
    sent = [value for value in line.values("-d", "-F", "-T", "--data", "--data-binary", "--data-urlencode",
    "--form", "--json", "-b", "-H", "--header")
            if "@" in value.text or "<" in value.text or not value.exact]  # fmt: skip
    if sent or line.has("-T", "--upload-file"):
        names = [Value(re.split(r"[@<]", value.text, maxsplit=1)[-1], value.exact) for value in sent]
        call.read([*names, *line.values("-T", "--upload-file", "--cert", "--key", "--cacert")])


_WGET: Final = options(
    "-q -v -nv -c -N -S -O> -P= -o> -a> -T= -t= -U= -i< -4 -6 -nc -nH -x --quiet --no-verbose --continue "
    "--output-document> "
    "--directory-prefix= --timeout= --tries= --user-agent= --header= --no-check-certificate --spider "
    "--show-progress --method= "
    "--body-data= --post-data= --content-disposition --server-response --timestamping --max-redirect= "
    "--retry-connrefused"
)


def _wget(call: Call) -> None:
    line = taken(call.arguments, _WGET)
    if line.strange:
        call.dynamic(line.strange)
    call.add("transfer.remote", hosts(line.operands))
    if inside := local_files(line.operands):
        call.read(inside)
    call.write(line.values("-o", "-a", "-O", "--output-document"))
    if not line.has("-O", "--output-document", "--spider"):
        places = line.values("-P", "--directory-prefix") or [Value(".")]
        call.write([Value(f"{place.text.rstrip('/')}/**", exact=False, home=place.home) for place in places])


_SSH: Final = options("-4 -6 -A! -a -C -f -G! -g -K -k -M -N -n -q -s! -T -t -V -v -X! -x -Y! -y -B= -b= -c= "
    "-D! -E> -e= -F! -I! -i= -J= -L! -l= "
                      "-m= -O! -o= -p= -Q= -R! -S! -W! -w!")  # fmt: skip
_SSH_OPTIONS: Final = re.compile(
    r"(?i)(?:StrictHostKeyChecking|UserKnownHostsFile|ConnectTimeout|BatchMode|ServerAlive\w+|LogLevel|Port|User|"
    r"IdentitiesOnly|PasswordAuthentication|Compression|ConnectionAttempts|TCPKeepAlive)[= ].*"
)


def _ssh(call: Call) -> None:
    """What runs at the other host is judged as if it ran here; what is opened between the two is not known."""
    line = taken(call.arguments, _SSH, first=True)
    call.add("transfer.remote", hosts([*line.operands[:1], *line.values("-J")]))
    code = [name for name, _ in line.given if _SSH.kinds.get(name) == "!"]
    given = line.values("-o")
    if line.strange or code or not all(value.exact and _SSH_OPTIONS.fullmatch(value.text) for value in given):
        call.dynamic(line.strange or "an option may run programs or open connections")
        return
    words = line.operands[1:]
    if not words:
        if not line.has("-N", "-V"):
            call.add("execute.shell")
    elif all(value.exact for value in words):
        call.finder.text(" ".join(value.text for value in words), bash=False, fresh=True)
    else:
        call.dynamic("what runs at the other host is known only then")


_COPY: Final = options("-3 -4 -6 -A! -B -C -c= -F! -i= -J= -l= -o= -O -P= -p -q -R -r -S! -s -T -v -X= -D!")
_SYNC: Final = options(
    "-a -v -r -l -p -t -g -o -D -z -h -n -u -c -i -P -q -x -H -A -X -R -d -b -k -L -K -W -S -e! -T= -f= "
    "--archive --verbose --recursive --delete "
    "--delete-after --delete-before --delete-during --delete-excluded --exclude= --include= --exclude-from< "
    "--include-from< --files-from< "
    "--progress --partial --stats --dry-run --compress --update --checksum --inplace --numeric-ids --chmod= "
    "--chown= --bwlimit= --times "
    "--no-perms --no-owner --no-group --info= --human-readable --remove-source-files --relative "
    "--ignore-existing --size-only --mkpath "
    "--rsh! --rsync-path! --links --perms --owner --group --max-size= --timeout= --out-format= "
    "--itemize-changes --link-dest= --quiet"
)


def _copies(call: Call) -> None:
    """scp and rsync, as clients of other hosts or between files here."""
    if transfers.server(call):
        return
    known = _COPY if call.name == "scp" else _SYNC
    line = taken(call.arguments, known)
    code = [name for name, _ in line.given if known.kinds.get(name) == "!"]
    if (
        line.strange
        or code
        or not all(value.exact and _SSH_OPTIONS.fullmatch(value.text) for value in line.values("-o"))
    ):
        call.dynamic(line.strange or "an option may run programs")
    far = [value for value in line.operands if _is_far(value)]
    if far:
        call.add("transfer.remote", hosts([*far, *line.values("-J")]))
    sources = [value for value in line.operands[:-1] if value not in far]
    call.read([*sources, *line.values("--exclude-from", "--include-from", "--files-from")])
    target = line.operands[-1:]
    if target and target[0] not in far:
        call.write(target)
        if any(name.startswith("--delete") for name, _ in line.given):
            call.add("delete", files(target, call.finder.directories), bounded=False)
    if line.has("--remove-source-files"):
        call.add("delete", files(sources, call.finder.directories), bounded=False)


def _is_far(value: Value) -> bool:
    """``host:path``, as scp and rsync tell it from a file; what nobody knows may be either."""
    before, colon, _ = value.text.partition(":")
    return bool(colon) and "/" not in before


def _remote(call: Call) -> None:
    """The first operand is the host, and what follows an option may be one, or that option's value."""
    maybe: list[Value] = []
    numbers: list[Value] = []
    sure = behind = False
    for value in call.arguments:
        if value.text.startswith("@"):  # dig's server
            maybe.append(value)
            sure = True
        elif value.text.startswith(("-", "+")):
            behind = True
            continue
        elif not sure:
            (numbers if behind and value.text.isdigit() else maybe).append(value)
            sure = not behind
        behind = False
    call.add("transfer.remote", hosts(maybe or numbers))


def _netcat(call: Call) -> None:
    line = taken(call.arguments, options("-z -v -n -u -w= -4 -6 -N -q= -i= -d -D -C -t -h -U -X= -x="))
    call.add("transfer.remote", hosts([*line.operands[:1], *line.values("-x")]))
    if line.strange:
        call.dynamic("it may run programs or listen")


def _sends(call: Call) -> None:
    """Programs whose options may run others: only that they reach other hosts is sure."""
    _remote(call)
    call.dynamic("it may run programs")


def _openssl(call: Call) -> None:
    """Engines, providers and settings are code, or name it."""
    if any(
        not value.exact or re.match(r"-(?:engine|provider|config|rand|CApath)", value.text) for value in call.arguments
    ):
        call.dynamic("it may load code")
    else:
        call.program()


# --- git

_GIT_GLOBAL: Final = options(
    "-C= -p -P --no-pager --version --help --bare --no-replace-objects --literal-pathspecs --git-dir= "
    "--work-tree= --no-optional-locks"
)
_GIT_READS: Final = frozenset({
    "status", "log", "diff", "show", "rev-parse", "describe", "ls-files", "ls-tree", "cat-file", "shortlog", "blame",
    "rev-list", "merge-base", "name-rev", "show-ref", "for-each-ref", "symbolic-ref", "count-objects", "var",
    "version",
    "whatchanged", "grep", "check-ignore", "cherry", "reflog", "range-diff", "fsck", "diff-tree", "diff-index",
    "diff-files", "show-branch", "help", "annotate", "verify-commit", "verify-tag", "verify-pack",
})  # fmt: skip
_GIT_WRITES: Final = frozenset({
    "add", "commit", "checkout", "switch", "restore", "reset", "merge", "branch", "tag", "stash", "rm", "mv", "init",
    "apply", "am", "cherry-pick", "revert", "clean", "worktree", "notes", "gc", "prune", "repack", "format-patch",
    "archive", "sparse-checkout", "update-index", "write-tree", "read-tree", "update-ref", "pack-refs", "bundle",
})  # fmt: skip
_GIT_REMOTE: Final = frozenset({"clone", "fetch", "pull", "push", "ls-remote", "remote"})
_GIT_CODE: Final = re.compile(
    r"--(?:upload-pack|receive-pack|exec|ext-diff|textconv|open-files-in-pager|config|template|run|no-index|output|show-signature|"
    r"gpg-sign|format=.*%\(|tool|extcmd|edit|interactive|patch-with-editor|exec-path|upload-archive|remote|command)\b.*|"
    r"-(?:O|x|c)\S*"
)


def _git(call: Call) -> None:
    """git is run, and with it what the repository's own configuration and hooks say: that is ``execute.program``."""
    line = taken(call.arguments, _GIT_GLOBAL, first=True)
    if line.strange or not all(value.exact for value in line.operands[:1]):
        call.dynamic(line.strange or "what it does is known only then")
        return
    directories = call.finder.directories
    for place in line.values("-C", "--work-tree"):
        call.finder.directories = entered(place, call.finder.directories)
    if line.operands:
        _git_command(call, line.operands[0].text, line.operands[1:])
    else:
        call.add("session")
    call.finder.directories = directories


def _git_command(call: Call, name: str, words: Sequence[Value]) -> None:
    here = files([Value(".")], call.finder.directories)
    commits = name == "commit" or (name == "branch" and any(value.text in ("-c", "-C") for value in words))
    risky = [
        value for value in words if _GIT_CODE.fullmatch(value.text) and not (commits and re.match(r"-[cC]", value.text))
    ]
    loose = [value for value in words if not value.exact and value.option and value.many]
    if name == "config" or (name in _GIT_REMOTE and any("::" in value.text for value in words)) or risky or loose:
        call.dynamic("it may run programs")
        return
    call.add("execute.program", (Object("", f"git {name}", "program"),))
    if name in _GIT_READS:
        call.add("read", here)
    elif name in _GIT_WRITES:
        call.add("write", here)
        if name == "clean" or (
            name in ("reset", "checkout", "restore")
            and any(value.text in ("--hard", "-f", "--force", ".") for value in words)
        ):
            call.add("delete", here, bounded=False)
    elif name in _GIT_REMOTE:
        named = [value for value in words if not value.text.startswith("-")][:1]
        call.add("transfer.remote", hosts(named) if named and re.search(r"[:/]", named[0].text) else ())
        call.add("write", here)
    elif name not in ("submodule", "rebase", "bisect", "lfs", "svn", "flow", "maintenance"):
        call.dynamic("a command of git that is not known, or an alias")
    else:
        call.add("write", here)


JUDGES: Final[Mapping[str, Judge]] = {
    **transfers.JUDGES,
    **dict.fromkeys(("scp", "rsync"), _copies),
    **dict.fromkeys(("nc", "ncat", "netcat"), _netcat),
    **dict.fromkeys(("ping", "ping6", "traceroute", "tracepath", "dig", "nslookup", "host", "whois", "mtr",
    "telnet", "arping"), _remote),
    **dict.fromkeys(
        (
            "socat", "ftp", "sftp", "lftp", "nmap", "aria2c", "rclone", "ssh-copy-id", "autossh", "mosh",
            "sshpass",
            "gpg", "smbclient", "tftp", "rsh", "rlogin", "rexec", "mail", "sendmail", "mailx", "pssh", "parallel-ssh",
        ),
        _sends,
    ),
    "curl": _curl,
    "git": _git,
    "openssl": _openssl,
    "ssh": _ssh,
    "wget": _wget,
}  # fmt: skip
