"""Variables that programs are run with, by what they do to them."""

from __future__ import annotations

import re
from typing import Final

from hoopgate.policy.operations import Object, Operation

_HARMLESS: Final = re.compile(
    r"TERM|COLORTERM|LANG|LANGUAGE|LC_[A-Z]+|TZ|COLUMNS|LINES|NO_COLOR|CLICOLOR|CLICOLOR_FORCE|FORCE_COLOR"
)
_LOCALES: Final = re.compile(r"LANG|LANGUAGE|LC_[A-Z]+")
_LOCALE: Final = re.compile(r"|C|POSIX|(?:C|[a-z]{2,3}(?:_[A-Z]{2,3})?)\.(?:utf-?8|UTF-?8)(?:@[a-z]+)?", re.ASCII)
_PLAIN: Final = re.compile(r"[\w@%+=:,./ -]{0,200}", re.ASCII)

# what makes a shell, a loader, an interpreter or a well-known program run or load something else
_TURNING: Final = re.compile(
    r"LD_\w+|DYLD_\w+|BASH\w*|ENV|IFS|PS[0-4]|PROMPT_COMMAND|SHELLOPTS|SHELL|ZDOTDIR|FPATH|CDPATH|GLOBIGNORE|POSIXLY_CORRECT"
    r"|\w*PATH|HOME|\w*_HOME|\w*(?:OPT|OPTS|OPTIONS|ARGS|FLAGS)|\w*_COMMAND|\w*CMD|\w*PRELOAD|\w*STARTUP\w*|\w*INIT\w*|\w*RC"
    r"|\w*PAGER|\w*EDITOR|VISUAL|BROWSER|LESS\w*|PERL\w+|PYTHON\w+|RUBY\w+|NODE_\w+|JAVA_\w+|_JAVA\w*|JDK_\w+|LUA_\w+|PHP\w+"
    r"|GIT_\w+|SSH_\w+|SUDO_\w+|RSYNC_\w+|TAR_\w+|MAKE\w*|GCONV\w*|LOCALDOMAIN|RES_\w+|NLSPATH|TMPDIR|TERMINFO\w*|TERMCAP"
    r"|CC|CXX|AR|LINKER|\w*WRAPPER|HOSTALIASES|KUBECONFIG|DOCKER_\w+|AWS_\w+|PIP_\w+|NPM_\w+|npm_\w+|CARGO_\w+|GO\w+"
    r"|\w*PROXY|\w*_proxy|PGSERVICE\w*|PGPASS\w*|PSQLRC|MYSQL_\w+|EXINIT|VIMINIT|PARINIT|SYSTEMD_\w+|DBUS_\w+|XDG_\w+|MALLOC_\w+"
    r"|OPENSSL_\w+|SSL\w+|CURL_\w+|\w*CA_BUNDLE|KRB5\w+|GSS\w+|GLIBC_\w+|\w*MODULES?|\w*MODULE_FILE|\w*PLUGINS?|\w*_RSH|\w*_SSH"
    r"|\w*(?:CONF|CONFIG|CONFIG_FILE|INI)|HISTFILE|FCEDIT|TAPE|MAGIC|ODBC\w+|PGHOST\w*|PGSSL\w*|PGSYSCONFDIR|HG\w*|RUSTC\w*"
    r"|DOTNET_\w+|CORECLR_\w+|COR_\w+|R_\w+|JULIA_\w+|GUILE_\w+|GEM_\w+|BUNDLE_\w+|OCAML\w+|ANSIBLE_\w+|GTK_\w+|QT_\w+"
    r"|GIO_\w+|GST_\w+|GDK_\w+|ELECTRON_\w+|COMPOSER_\w+"
)


def variable(name: str, value: str | None) -> Operation | None:
    """What giving programs the variable is; ``value`` is None where it is not known. None: no rule has to see it."""
    if _HARMLESS.fullmatch(name):
        fine = value is not None and (_LOCALE if _LOCALES.fullmatch(name) else _PLAIN).fullmatch(value)
        # another encoding may read quotes out of what in UTF-8 is a letter
        why = "" if fine else "its value may change how text is read"
        return Operation("session", "ENV", (_object(name),), part="environment") if fine else _turning(name, why)
    if _TURNING.fullmatch(name):
        return _turning(name, "it changes which programs run, or what they load")
    if value is None or not re.search(r"[`$()\x00-\x1f]", value):
        return Operation("execute", "ENV", (_object(name),), part="environment")
    return _turning(name, "its value is code to some shells")


def assigned(name: str, value: str | None) -> Operation | None:
    """What setting the shell's own variable is: only those count that the shell itself goes by."""
    found = variable(name, value)
    if found is None or found.name != "admin.environment":
        return None
    watched = re.fullmatch(
        r"PATH|HOME|CDPATH|ENV|LD_\w+|BASH\w*|PS[0-4]|PROMPT_COMMAND|SHELLOPTS|POSIXLY_CORRECT", name
    )
    return found if watched or _LOCALES.fullmatch(name) else None


def _turning(name: str, why: str) -> Operation:
    return Operation("admin", "ENV", (_object(name),), why=why, part="environment")


def _object(name: str) -> Object:
    return Object("", name, "variable")
