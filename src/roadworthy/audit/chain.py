"""The chain: each entry's hash covers the entry and the hash before it.

With a key the hash is an HMAC-SHA-256, which nobody can make without the key. Without one it is a SHA-256:
whoever can rewrite the whole table can make a new chain, which shows only against a head that was kept
elsewhere. Once an entry is signed, none that follows may be unsigned.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from roadworthy.audit.entry import canonical
from roadworthy.errors import ConfigurationError, InvalidInput

PLAIN = "sha256-1"
SIGNED = "hmac-sha256-1"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    seq: int = 0
    hash: str = ""
    key_id: str = ""

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """What `str` made. Raises `InvalidInput`."""
        seq, _, digest = text.strip().partition(":")
        digest = digest.lower()
        if not seq.isascii() or not seq.isdecimal() or len(digest) != hashlib.sha256().digest_size * 2:
            raise InvalidInput(
                "This is not a head.", hint="Give what `roadworthy audit head` printed: NUMBER:HASH."
            )
        return cls(int(seq), digest)


class Keyring:
    """The key that signs, and older ones that only verify. Without any, entries are not signed."""

    def __init__(self, current: bytes | None = None, old: Iterable[bytes] = ()) -> None:
        self.key_id = "" if current is None else key_id(current)
        self.algorithm = PLAIN if current is None else SIGNED
        self._keys = {key_id(key): key for key in (*old, *([] if current is None else [current]))}

    @classmethod
    def of(cls, current: SecretStr | None, old: Iterable[SecretStr]) -> "Keyring":
        """The keys that the settings name."""
        key = None if current is None else current.get_secret_value().encode()
        return cls(key, [one.get_secret_value().encode() for one in old])

    def require(self, head: Head) -> None:
        """Raise `ConfigurationError` where an unsigned entry would follow a signed one."""
        if head.key_id and not self.key_id:
            raise ConfigurationError(
                f"The audit log is signed (key {head.key_id}), and no key is configured here.",
                hint="Set [audit] key_env or key_file; nothing is done that cannot be recorded.",
            )

    def knows(self, name: str) -> bool:
        """Whether entries signed with this key can be checked."""
        return not name or name in self._keys

    def hash(self, values: Mapping[str, Any]) -> str | None:
        """The hash that an entry must have; None where algorithm and key make none."""
        name, algorithm = values["key_id"], values["algorithm"]
        if algorithm == PLAIN and not name:
            return hashlib.sha256(canonical(values)).hexdigest()
        if algorithm == SIGNED and name in self._keys:
            return hmac.digest(self._keys[name], canonical(values), "sha256").hex()
        return None


def key_id(key: bytes) -> str:
    """What tells keys apart without telling them."""
    return hashlib.sha256(key).hexdigest()[:8]


class Chain:
    """Follows a chain from its first entry. `add` returns what is wrong with the next one, in words."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.head = Head()
        self.signed_from: int | None = None
        """The first signed entry; None while there is none."""

    def add(self, values: Mapping[str, Any]) -> str | None:
        """The fault of the entry that comes next; None when it fits."""
        seq, wanted = values["seq"], self.head.seq + 1
        if not isinstance(seq, int) or seq < wanted:
            return f"Entry {seq!r} stands where entry {wanted} should be."
        if seq > wanted:
            missing = f"Entry {wanted} is" if seq == wanted + 1 else f"Entries {wanted} to {seq - 1} are"
            return f"{missing} missing."
        fault = self._fault(seq, values)
        if fault is None:
            if values["key_id"] and self.signed_from is None:
                self.signed_from = seq
            self.head = Head(seq, values["hash"], values["key_id"])
        return fault

    def _fault(self, seq: int, values: Mapping[str, Any]) -> str | None:
        if not self._keyring.knows(values["key_id"]):
            return f"Entry {seq} is signed with the key {values['key_id']!r}, which is not at hand."
        made = self._keyring.hash(values)
        if made is None or not isinstance(values["hash"], str) or not _same(made, values["hash"]):
            return f"Entry {seq} was changed."
        if values["prev_hash"] != self.head.hash:
            return f"Entry {seq} does not follow entry {seq - 1}: one of the two was replaced."
        if self.head.key_id and not values["key_id"]:
            return f"Entry {seq} is not signed, and those before it are."
        return None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode(errors="replace"))
