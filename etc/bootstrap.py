#!/usr/bin/env python3
"""Sets up hoopgate in a virtual environment of its own and runs it. Needs Python 3.11 or newer and nothing else.

    python3 etc/bootstrap.py demo [--tour]     the gateway on embedded defaults
    python3 etc/bootstrap.py test [ARGUMENT...]  the tests (arguments are pytest's)
    python3 etc/bootstrap.py long [ARGUMENT...]  the long tests: fuzz, soak, builds
    python3 etc/bootstrap.py run COMMAND...    any command inside the environment

The environment is .venv/ beside this checkout, or in the user's cache where the checkout is read-only. It is made
again when what it was made from changed; otherwise the start is immediate. Nothing is compiled for it; where a C
compiler and Python's headers are, the tests compile the core aside and run on that too.
"""

import base64
import configparser
import contextlib
import fcntl
import hashlib
import html.parser
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NEWEST_TRIED = (3, 14)
EXTRAS = {"demo": ["demo"], "test": ["demo", "docs", "test"], "long": ["demo", "docs", "test"], "run": []}
PYTEST = ["-m", "pytest", "-n", "2", "--dist", "loadfile"]


class SetupError(Exception):
    """The text says what is wrong and what to do."""


def say(text):
    sys.stderr.write("hoopgate: {}\n".format(text))
    sys.stderr.flush()


# --- which Python ---------------------------------------------------------------------------------------------------


def version_of(python):
    """(major, minor) of an interpreter, or None where it does not run."""
    ask = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        done = subprocess.run([python, "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        major, minor = done.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def choose_python():
    """This interpreter if it will do, else the newest fitting one on PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST_TRIED:
        return sys.executable
    for minor in range(NEWEST_TRIED[1], OLDEST[1] - 1, -1):
        found = shutil.which("python3.{}".format(minor))
        if found and version_of(found) == (3, minor):
            return found
    if sys.version_info[:2] > NEWEST_TRIED:
        return sys.executable
    raise SetupError(
        "this is Python {}.{} and hoopgate needs 3.11 or newer; install one (Debian 12 and Ubuntu 24.04: apt-get "
        "install python3) and run this script with it".format(*sys.version_info[:2])
    )


# --- the environment ------------------------------------------------------------------------------------------------


def place():
    """Where the environment goes, and whether the checkout can be installed as it lies there (editable)."""
    if os.access(str(ROOT), os.W_OK):
        return ROOT / ".venv", True
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    return cache / "hoopgate" / "venv-{}".format(name), False


def stamp(python, editable):
    """What the environment was made from; for a copy also the sources."""
    digest = hashlib.sha256()
    files = [ROOT / "setup.cfg", ROOT / "setup.py", ROOT / "pyproject.toml", Path(__file__)]
    if not editable:
        files += sorted((ROOT / "hoopgate").rglob("*.py")) + sorted((ROOT / "twisted").rglob("*.py"))
    for path in files:
        digest.update(path.read_bytes())
    return {"from": digest.hexdigest(), "python": python, "version": version_of(python), "root": str(ROOT)}


def ready(venv, wanted, extras):
    """Whether the environment fits: same origin, and it has at least these extras."""
    try:
        made = json.loads((venv / "made.json").read_text())
    except (OSError, ValueError):
        return False
    there = set(made.pop("extras", []))
    wanted = json.loads(json.dumps(wanted))
    return made == wanted and there >= set(extras) and version_of(str(venv / "bin" / "python")) is not None


def prepare(extras):
    """Make or mend the environment; return its python."""
    venv, editable = place()
    venv.mkdir(parents=True, exist_ok=True)
    with (venv / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = choose_python()
        wanted = stamp(python, editable)
        if not ready(venv, wanted, extras):
            make(venv, python, wanted, extras, editable)
    return venv / "bin" / "python"


def make(venv, python, wanted, extras, editable):
    note = venv / "made.json"
    old = {}
    with contextlib.suppress(OSError, ValueError):
        old = json.loads(note.read_text())
    with contextlib.suppress(FileNotFoundError):
        note.unlink()
    inside = venv / "bin" / "python"
    if old.get("version") != list(wanted["version"]) or version_of(str(inside)) is None:
        say("[1/3] making the environment {} with Python {}.{}".format(venv, *wanted["version"]))
        make_venv(python, venv)
    else:
        say("[1/3] the environment {} is there".format(venv))
    give_pip(python, inside, venv)
    say("[3/3] installing hoopgate and what it needs (about a minute, only this once)")
    extras = sorted(set(extras) | set(old.get("extras", [])))
    install(inside, extras, editable)
    wanted["extras"] = extras
    note.write_text(json.dumps(wanted))


def make_venv(python, venv):
    for part in ("bin", "lib", "lib64", "include", "pyvenv.cfg"):
        path = venv / part
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(str(path))
    # Debian's python3 has venv but not ensurepip, so pip comes afterwards, from wherever it can be had.
    done = subprocess.run([python, "-m", "venv", "--without-pip", str(venv)], stderr=subprocess.PIPE)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise SetupError("{} cannot make a virtual environment ({}); {}".format(python, reason[-300:], REMEDY))


def install(inside, extras, editable):
    source = ROOT
    with contextlib.ExitStack() as stack:
        if not editable:
            source = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hoopgate-"))) / "source"
            names = shutil.ignore_patterns(".git", ".venv", "*.egg-info", "build", "__pycache__", "docs", "tests")
            shutil.copytree(str(ROOT), str(source), ignore=names)
        wanted = "{}[{}]".format(source, ",".join(extras)) if extras else str(source)
        command = [str(inside), "-m", "pip", "install", "--disable-pip-version-check", "--only-binary", ":all:"]
        command += ["--editable", wanted] if editable else [wanted]
        done = subprocess.run(command, stdout=sys.stderr, env=dict(os.environ, HOOPGATE_BUILD="pure"))
    if done.returncode:
        raise SetupError("pip could not install hoopgate; its last lines above say why. Run this again when mended")
    if editable:
        # twistd finds plug-ins by looking through directories, and knows nothing of pip's import hooks.
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = subprocess.run([str(inside), "-c", ask], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        (Path(packages) / "hoopgate-checkout.pth").write_text(str(ROOT) + "\n")


# --- pip, where there is none ---------------------------------------------------------------------------------------

REMEDY = "install it (Debian, Ubuntu: apt-get install python3-venv), or set PIP_INDEX_URL to your package index"


def runs(command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def give_pip(python, inside, venv):
    """Put pip into the environment from the first source that has it."""
    if runs([str(inside), "-m", "pip", "--version"]):
        say("[2/3] pip is there")
        return
    if runs([python, "-c", "import ensurepip"]) and runs([str(inside), "-m", "ensurepip", "--default-pip"]):
        say("[2/3] pip: from Python's own ensurepip")
        return
    with tempfile.TemporaryDirectory(prefix="hoopgate-pip-") as directory:
        for name, source in PIP_SOURCES:
            try:
                wheel = source(python, Path(directory))
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                say("[2/3] pip: not from {} ({})".format(name, error))
                continue
            if wheel is not None:
                # A wheel of pip can run from the archive: it installs itself.
                command = [str(inside), str(wheel) + "/pip", "install", "--no-index", "--no-deps", str(wheel)]
                if runs(command):
                    say("[2/3] pip: from {}".format(name))
                    return
    raise SetupError("there is no pip for {}: {}".format(python, REMEDY))


def wheel_in(directory):
    """The newest wheel of pip in a directory, or None."""
    found = [(release(path.name), path) for path in Path(directory).glob("pip-*-py3-none-any.whl")]
    found = [pair for pair in found if pair[0]]
    return max(found)[1] if found else None


def release(name):
    """The version of a wheel of pip as numbers, () where it is none or a pre-release."""
    match = re.match(r"pip-(\d+(?:\.\d+)*)-py3-none-any\.whl$", name)
    return tuple(int(number) for number in match.group(1).split(".")) if match else ()


def from_folder(python, directory):
    """Debian's python3-pip-whl, and local folders that pip is told of."""
    folders = ["/usr/share/python-wheels", *setting("find-links", "PIP_FIND_LINKS").split()]
    for folder in folders:
        if os.path.isdir(folder):
            wheel = wheel_in(folder)
            if wheel is not None:
                return wheel
    return None


def from_other_pip(python, directory):
    """Any pip on this machine can fetch the wheel, with its own settings."""
    others = [python, *(shutil.which(name) for name in ("python3", "/usr/bin/python3"))]
    others += [shutil.which("python3.{}".format(minor)) for minor in range(8, 16)]
    for other in dict.fromkeys(filter(None, others)):
        if runs([other, "-m", "pip", "--version"]):
            ask = [other, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            ask += ["--disable-pip-version-check", "--python-version", "3.11", "--dest", str(directory), "pip"]
            if runs(ask):
                return wheel_in(directory)
    return None


def from_index(python, directory):
    """The package index that pip or uv is set to use, by its simple interface (PEP 503, PEP 691)."""
    index = setting("index-url", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    if not index:
        return None
    page = index.rstrip("/") + "/pip/"
    body, kind, address = fetch(page, index, "application/vnd.pypi.simple.v1+json, text/html;q=0.5")
    links = links_of_json(body) if "json" in kind else links_of_html(body)
    fitting = [(release(name), name, url, digest) for name, url, digest in links if release(name)]
    if not fitting:
        raise ValueError("the index lists no wheel of pip")
    _, name, url, digest = max(fitting)
    if not digest:
        raise ValueError("the index gives no SHA-256 for {}".format(name))
    data, _, _ = fetch(urllib.parse.urljoin(address, url), index, "*/*")
    if hashlib.sha256(data).hexdigest() != digest.lower():
        raise ValueError("{} has not the SHA-256 that the index gives".format(name))
    path = directory / name
    path.write_bytes(data)
    return path


def from_apt(python, directory):
    """Debian's wheel of pip; apt checks its signature. Needs no root: nothing is installed."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    state = directory / "apt"
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "cache" / "archives" / "partial").mkdir(parents=True)
    options = ["-o", "Dir::State::lists={}".format(state / "lists"), "-o", "Dir::Cache={}".format(state / "cache")]
    options += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root", "-qq"]
    say("[2/3] pip: asking apt for Debian's wheel")
    for command in (["update"], ["download", "python3-pip-whl"]):
        done = subprocess.run(
            ["apt-get", *options, *command], cwd=str(directory), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if done.returncode:
            return None
    for package in directory.glob("python3-pip-whl*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(directory / "deb")], check=True)
        return wheel_in(directory / "deb" / "usr" / "share" / "python-wheels")
    return None


PIP_SOURCES = [
    ("a folder of this machine", from_folder),
    ("another Python's pip", from_other_pip),
    ("the package index", from_index),
    ("Debian's packages", from_apt),
]


def setting(key, *variables):
    """A setting of pip: from the environment, else from its configuration files."""
    for variable in variables:
        if os.environ.get(variable):
            return os.environ[variable]
    home = os.path.expanduser("~")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    places = [os.path.join(config, "pip", "pip.conf"), os.path.join(home, ".pip", "pip.conf"), "/etc/pip.conf"]
    if os.environ.get("PIP_CONFIG_FILE"):
        places.insert(0, os.environ["PIP_CONFIG_FILE"])
    for path in places:
        parser = configparser.RawConfigParser(strict=False)
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read(path)
        for section in ("install", "download", "global"):
            if parser.has_option(section, key):
                return parser.get(section, key).strip()
    return ""


def fetch(url, index, accept):
    """GET; return body, content type and final address. The index's credentials go to the index's host alone."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise ValueError("the package index is not reached by https")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    request = urllib.request.Request(bare.geturl(), headers={"Accept": accept, "User-Agent": "hoopgate-bootstrap"})
    home = urllib.parse.urlsplit(index)
    if home.username and bare.netloc == home.netloc.rpartition("@")[2]:
        pair = "{}:{}".format(urllib.parse.unquote(home.username), urllib.parse.unquote(home.password or ""))
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    cert = setting("cert", "PIP_CERT", "SSL_CERT_FILE") or None
    with urllib.request.urlopen(request, timeout=60, context=ssl.create_default_context(cafile=cert)) as answer:
        return answer.read(64 * 1024 * 1024), answer.headers.get_content_type(), answer.geturl()


def links_of_json(body):
    """(file name, address, SHA-256) of each file that is not withdrawn: PEP 691."""
    for file in json.loads(body.decode())["files"]:
        if not file.get("yanked") and fits(file.get("requires-python")):
            yield file["filename"], file["url"], file.get("hashes", {}).get("sha256", "")


class Links(html.parser.HTMLParser):
    """Collects the anchors of a PEP 503 page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found.append(dict(attrs))


def links_of_html(body):
    parser = Links()
    parser.feed(body.decode())
    for anchor in parser.found:
        url, _, fragment = (anchor.get("href") or "").partition("#")
        if "data-yanked" not in anchor and fits(anchor.get("data-requires-python")):
            digest = fragment[7:] if fragment.startswith("sha256=") else ""
            yield urllib.parse.unquote(url.rsplit("/", 1)[-1]), url, digest


def fits(requires):
    """Whether Python 3.11 meets ``requires-python``, which for pip is a plain lower bound."""
    match = re.match(r"^\s*>=\s*3\.(\d+)", requires or "")
    return match is None or int(match.group(1)) <= OLDEST[1]


# --- the commands ---------------------------------------------------------------------------------------------------


def command_line(python, name, arguments):
    """What to run inside the environment."""
    if name == "demo":
        return [str(python), str(python.parent / "hoopgate"), "demo", *arguments]
    if name == "test":
        return [str(python), *PYTEST, *arguments]
    if name == "long":
        return [str(python), *PYTEST, "-m", "long", "--timeout=3600", *arguments]
    program = shutil.which(arguments[0], path=str(python.parent)) or arguments[0]
    return [program, *arguments[1:]]


def main(arguments):
    if not arguments or arguments[0] not in EXTRAS or (arguments[0] == "run" and len(arguments) < 2):
        sys.stderr.write(__doc__)
        return 2
    name, rest = arguments[0], arguments[1:]
    try:
        python = prepare(EXTRAS[name])
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; run it again to go on")
        return 130
    if name in ("test", "long"):
        os.chdir(str(ROOT))
    environment = dict(os.environ)
    environment.pop("PYTHONHOME", None)
    environment["VIRTUAL_ENV"] = str(python.parent.parent)
    environment["PATH"] = str(python.parent) + os.pathsep + environment.get("PATH", "")
    command = command_line(python, name, rest)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        say("cannot run {}: {}".format(command[0], error))
    return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
