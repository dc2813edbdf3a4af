"""Secrets that are given out: keys of programs, tokens of sessions, of sign-ins.

    rw_ rws_ rwl_ rwo_     what it is for, so that none is taken for another
    43 characters          32 random bytes in base 62
    6 characters           a checksum (CRC-32): typing errors show, and scanners know it, without asking

Only the SHA-256 is stored. A slow hash would protect secrets that can be guessed; 256 random bits cannot be,
and a key is checked in every request.
"""

import hashlib
import secrets
import string
import zlib
from enum import StrEnum

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_BYTES = 32
_RANDOM_CHARS = 43
_CHECK_CHARS = 6
_HINT_CHARS = 8


class SecretKind(StrEnum):
    """What a secret is for; the value is how it begins."""

    KEY = "rw_"
    """A program's key."""
    SESSION = "rws_"
    """A session, in a cookie."""
    LINK = "rwl_"
    """A link that signs a person in once."""
    OPENID = "rwo_"
    """A browser that was sent to a provider of OpenID Connect, in a cookie until it comes back."""


def make(kind: SecretKind) -> str:
    """A new secret."""
    body = kind.value + _base62(int.from_bytes(secrets.token_bytes(_RANDOM_BYTES), "big"), _RANDOM_CHARS)
    return body + _check(body)


def well_formed(secret: str, kind: SecretKind) -> bool:
    """Whether a text is a secret of this kind, as far as can be told from itself."""
    if len(secret) != len(kind.value) + _RANDOM_CHARS + _CHECK_CHARS or not secret.startswith(kind.value):
        return False
    body, check = secret[:-_CHECK_CHARS], secret[-_CHECK_CHARS:]
    return secret.isascii() and _check(body) == check


def fingerprint(secret: str) -> str:
    """What is stored in a secret's place."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hint(secret: str) -> str:
    """How a secret begins, to tell it from others: too little to be of use."""
    return secret[:_HINT_CHARS]


def _check(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_CHARS)


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
