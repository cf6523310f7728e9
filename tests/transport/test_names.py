"""Names of sockets: what many connections have in common is kept once, and what they are kept in is bounded."""

from __future__ import annotations

from hoopgate.transport import endpoint
from hoopgate.transport.endpoint import kept_name, shared_name


def fresh(*name: object) -> tuple[object, ...]:
    """A name of new objects, as from the kernel."""
    host, *rest = name
    return ("".join(list(str(host))), *rest)


def test_clients_from_one_address_share_it() -> None:
    one, other = kept_name(fresh("192.0.2.7", 40_000)), kept_name(fresh("192.0.2.7", 40_001))
    assert one == ("192.0.2.7", 40_000)
    assert other == ("192.0.2.7", 40_001)
    assert one[0] is other[0]
    assert kept_name(("2001:db8::7", 1, 2, 3)) == ("2001:db8::7", 1, 2, 3)


def test_connections_to_one_port_share_its_name() -> None:
    assert shared_name(fresh("192.0.2.1", 5432)) is shared_name(fresh("192.0.2.1", 5432))
    assert shared_name(fresh("192.0.2.1", 5432)) != shared_name(fresh("192.0.2.1", 5433))


def test_names_in_the_file_system_stay_as_they_are() -> None:
    for name in ("", "/run/a", b"\0abstract"):
        assert kept_name(name) is name
        assert shared_name(name) == name


def test_what_is_kept_is_bounded() -> None:
    for number in range(5000):
        assert kept_name((f"2001:db8::{number:x}", number, 0, 0))[0] == f"2001:db8::{number:x}"
        assert shared_name(("127.0.0.1", number)) == ("127.0.0.1", number)
        assert len(endpoint._addresses) <= 1024
        assert len(endpoint._names) <= 1024
