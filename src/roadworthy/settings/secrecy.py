"""What a secret looks like, and how it is kept out of files, messages and dumps.

A secret may come only from the environment or from a file of its own. So a settings file is refused when a
key is called like a secret, a URL carries a password, or a text starts like the key of a known provider.
Text that did come from the environment stays a `FromEnvironment`, which shows where it came from in place
of what it is.
"""

import re
from typing import Any, Self, cast

_SECRET_NAME = re.compile(
    r"(token|pwd|(proxy)?authorization"
    r"|.*(api|access|auth|secret|private|signing|encryption)key"
    r"|.*(access|api|auth|bearer|refresh|session|security)token"
    r"|.*(password|passwd|passphrase|secret|credentials?))"
)
_SECRET_START = re.compile(
    r"(sk|pk|rk|gsk|xai|nvapi|hf|r8|ghp|gho|ghs|github_pat|glpat|xox[abprs])[-_][A-Za-z0-9_-]{12}"
    r"|rw[slo]?_[A-Za-z0-9]{40}"
    r"|AKIA[A-Z0-9]{12}|AIza[A-Za-z0-9_-]{20}|eyJ[A-Za-z0-9_-]{20}|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_PASSWORD = re.compile(r"(postgres\w*(?:\+\w+)?://[^:/@\s]*:)(.*)@", re.DOTALL)
_PASSWORD_ELSEWHERE = re.compile(r"(://[^:/@\s]*:)([^/@\s]*)@")
_PARAMETER = re.compile(r"([?&]([^=&#]+)=)([^&#]*)")
_LONG_ENOUGH = 20


class FromEnvironment(str):
    """Text whose value came from an environment variable; `repr` and dumps show `written` instead."""

    __slots__ = ("written",)

    def __new__(cls, value: str, written: str) -> Self:
        """Mark `value`, which was written as `written`."""
        text = super().__new__(cls, value)
        text.written = written
        return text

    written: str
    """What stands in the file, for example `Bearer ${TOKEN}`."""

    def __repr__(self) -> str:
        return repr(self.written)

    def __reduce__(self) -> tuple[type["FromEnvironment"], tuple[str, str]]:
        return FromEnvironment, (str(self), self.written)


def published(value: object) -> object:
    """A copy of a value for dumps, with every `FromEnvironment` as it is written."""
    if isinstance(value, FromEnvironment):
        return value.written
    if isinstance(value, dict):
        return {name: published(item) for name, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [published(item) for item in cast("list[Any]", value)]
    return value


def is_secret_name(name: str) -> bool:
    """Whether a key of this name would hold a secret: `api_key`, `password`, but not `max_tokens`."""
    return bool(_SECRET_NAME.fullmatch(re.sub(r"[\W_]+", "", name).lower()))


def password_of(url: str) -> str:
    """What stands between user and host; empty when there is none."""
    found = _PASSWORD.search(url) or _PASSWORD_ELSEWHERE.search(url)
    return found[2] if found else ""


def has_password(text: str) -> bool:
    """Whether a text is a URL with a password in it."""
    if password_of(text):
        return True
    return "://" in text and any(
        is_secret_name(name) and value for _, name, value in _PARAMETER.findall(text)
    )


def masked(url: str) -> str:
    """The URL with every password in it as `***`."""
    hidden = _PASSWORD.sub(r"\1***@", url)
    hidden = _PASSWORD_ELSEWHERE.sub(r"\1***@", hidden)
    return _PARAMETER.sub(lambda m: f"{m[1]}***" if is_secret_name(m[2]) else m[0], hidden)


def starts_like_a_key(text: str) -> bool:
    """Whether a text begins as the keys of known providers do."""
    return bool(_SECRET_START.match(text.strip()))


def looks_secret(text: str) -> bool:
    """Whether a text should not be repeated in a message, to be on the safe side."""
    if starts_like_a_key(text) or has_password(text):
        return True
    if len(text) < _LONG_ENOUGH or re.search(r"\s", text):
        return False
    mixed = all(re.search(kind, text) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return mixed or bool(re.search(r"[0-9a-fA-F]{32}", text))
