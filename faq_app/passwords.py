"""How is a password kept? As what scrypt makes of it, beside its salt and its cost.

In: a password. Out: one line to store, and whether another password makes the same.
"""

import base64
import hashlib
import hmac
import os
import unicodedata
from dataclasses import dataclass

_SALT_BYTES, _KEY_BYTES = 16, 32


@dataclass(frozen=True)
class Cost:
    """Scrypt's n, r, p (RFC 7914): 128·n·r bytes (16 MB), p times over; about 0.1 s.

    One of the equivalent settings of OWASP's Password Storage Cheat Sheet.
    """

    n: int = 2**14
    r: int = 8
    p: int = 5


def hash_password(password: str, cost: Cost) -> str:
    """Return ``scrypt$n$r$p$salt$key``; the same password makes another line every time."""
    salt = os.urandom(_SALT_BYTES)
    return _line(cost, salt, _key(password, cost, salt))


def unmatchable(cost: Cost) -> str:
    """Return a line that no password matches, and that takes as long as any to find out."""
    return _line(cost, os.urandom(_SALT_BYTES), os.urandom(_KEY_BYTES))


def matches(password: str, line: str) -> bool:
    """Say whether this is the password that the line was made of."""
    _, n, r, p, salt, key = line.split("$")
    made = _key(password, Cost(int(n), int(r), int(p)), base64.b64decode(salt))
    return hmac.compare_digest(made, base64.b64decode(key))


def _key(password: str, cost: Cost, salt: bytes) -> bytes:
    # Full-width letters, as Chinese input methods write them, are the same password.
    written = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    memory = 128 * cost.r * (cost.n + cost.p + 2)
    return hashlib.scrypt(
        written, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=2 * memory, dklen=_KEY_BYTES
    )


def _line(cost: Cost, salt: bytes, key: bytes) -> str:
    parts = (base64.b64encode(part).decode() for part in (salt, key))
    return "$".join(("scrypt", str(cost.n), str(cost.r), str(cost.p), *parts))
