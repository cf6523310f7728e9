"""Private keys in every form in which they are kept: OpenSSH's own, PKCS #8 and the older PEM.

Conch's ``Key.fromString`` reads of PKCS #8 only RSA.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key


class PrivateKeyError(ValueError):
    """Nothing to sign with. The words hold nothing of the key."""


def load_private(data: bytes, passphrase: bytes | None = None) -> PrivateKeyTypes:
    """The key, of any kind. Raises PrivateKeyError.

    With a passphrase it takes half a second and more, as is meant: call it in a thread then.
    """
    load = load_ssh_private_key if b"OPENSSH" in data else load_pem_private_key
    try:
        return load(data, passphrase)
    except TypeError:
        words = "is under a passphrase" if passphrase is None else "is under no passphrase, and one was given"
    except UnsupportedAlgorithm:
        words = "is of an unknown kind, or under an unknown cipher"
    except ValueError:
        words = "cannot be read" if passphrase is None else "cannot be read, or its passphrase is another"
    raise PrivateKeyError(words)
