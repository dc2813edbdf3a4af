"""Keeps secrets out of logs and spans.

A `Scrubber` knows two things: the literal secrets of this process, which the app registers, each in every
spelling it may turn up in (`spellings`); and the shapes of secrets nobody registered (`SHAPES`). Every text
that leaves through telemetry passes `scrub`, or `clip`, which bounds it as well. Both take linear time on any
text: literals are plain replacements, and no shape repeats without a bound or gives back what it took. Each
shape is tried only where a cheap test says that it can occur.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Final
from urllib.parse import quote, quote_plus

MARK: Final = "[redacted]"
"""What stands where a secret stood."""
SHORTEST_SECRET: Final = 4
"""A shorter literal cannot be told from ordinary text and is not registered."""
VALUE_LIMIT: Final = 8192
"""Characters of one value that are kept."""
_MARGIN: Final = 1024
"""Characters looked at beyond a cut, so that a shape which lies across it is still seen."""
_SHORTEST_BASE64: Final = 8
_REMEMBERED_LENGTH: Final = 80
_REMEMBERED: Final = 2048
"""So many short texts are remembered as clean: names, ids and states, which every span and line repeats."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of secret looks like."""

    name: str
    pattern: re.Pattern[str]
    replacement: str
    hints: tuple[str, ...]
    """The shape occurs only in texts with one of these, in lower case."""


def _shape(name: str, hints: tuple[str, ...], pattern: str, replacement: str = MARK) -> Shape:
    return Shape(name, re.compile(pattern, re.ASCII), replacement, hints)


def _named(word: str, only: str = "") -> Shape:
    """A value after its name and `:` or `=`. One shape a word: a pattern that begins with it is fast."""
    return _shape(
        f"value named {word}",
        (word,),
        rf"((?i:{word}){only}[\"'\\]{{0,4}}\s{{0,8}}(?:=|:|%3[Dd])\s{{0,8}})"
        r"(?:[\"'\\]{1,4}[^\"'\r\n]{1,4096}|[^\s\"'&,;)}\]]{1,4096})",
        rf"\g<1>{MARK}",
    )


_QUALIFIED: Final = "(?i:{})".format(
    "|".join(
        f"(?<={word}{joint}key)"
        for word in ("api", "access", "account", "private", "secret", "signing")
        for joint in ("", "[_-]")
    )
)
"""Behind `key`: only the key of something; a plain `key` is mostly an idempotency key."""

SHAPES: Final = (
    _shape(
        "private key",
        ("-----begin ",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    _shape(
        "authorization header",
        ("authorization",),
        r"((?i:authorization)[\"'\\]{0,4}\s{0,8}[:=,]\s{0,8}[\[(]?b?[\"'\\]{0,4})[^\r\n\"']{1,4096}",
        rf"\g<1>{MARK}",
    ),
    *(_named(word) for word in ("token", "secret", "password", "passwd", "pwd", "passphrase")),
    _named("key", _QUALIFIED),
    _shape(
        "password in a URL",
        ("://",),
        r"(://[^\s:/@\"']{0,256}:)[^\s/\"']{1,512}@",
        rf"\g<1>{MARK}@",
    ),
    _shape(
        "scheme and credentials",
        ("bearer", "basic"),
        r"\b((?i:bearer|basic)\s{1,8})(?=[A-Za-z._~+/-]{0,64}[0-9=])[A-Za-z0-9._~+/=-]{8,}",
        rf"\g<1>{MARK}",
    ),
    _shape("JSON Web Token", ("eyj",), r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}"),
    _shape(
        "model provider's key",
        ("sk-", "pk-", "rk-", "sk_", "pk_", "rk_"),
        r"(?<![A-Za-z0-9])[spr]k[-_](?=[A-Za-z0-9_-]{8})[A-Za-z0-9_-]+",
    ),
    _shape("AWS access key", ("akia", "asia"), r"(?:AKIA|ASIA)[0-9A-Z]{12,}"),
    _shape("Slack token", ("xox", "xapp-"), r"(?:xox[a-z]|xapp)-[A-Za-z0-9-]{8,}"),
    _shape(
        "forge token",
        ("ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "hf_"),
        r"(?:gh[posur]_|github_pat_|glpat-|hf_)[A-Za-z0-9_-]{16,}",
    ),
    _shape("our own key", ("rw_", "rws_", "rwl_", "rwo_"), r"(?<![A-Za-z0-9])rw[slo]?_[A-Za-z0-9]{40,}"),
    _shape("Google key", ("aiza", "ya29."), r"(?:AIza|ya29\.)[A-Za-z0-9_-]{20,}"),
)

_HINTS: Final = tuple({hint for shape in SHAPES for hint in shape.hints})


class Scrubber:
    """Removes registered secrets, and what looks like one, from text. Safe to share between threads."""

    def __init__(self) -> None:
        self._registering = Lock()
        self._literals: tuple[str, ...] = ()
        self._margin = _MARGIN
        self._clean: set[str] = set()

    def register(self, secret: str) -> bool:
        """Never let this value out again; False when it is too short to be told from ordinary text."""
        if len(secret) < SHORTEST_SECRET:
            return False
        with self._registering:
            literals = {*self._literals, *spellings(secret)}
            self._literals = tuple(sorted(literals, key=lambda literal: (-len(literal), literal)))
            self._margin = max(_MARGIN, len(self._literals[0]))
            self._clean = set()  # after the literals: what was found clean without them is not kept
        return True

    def scrub(self, text: str) -> str:
        """The whole text without secrets."""
        for literal in self._literals:
            if literal in text:
                text = text.replace(literal, MARK)
        lowered = text.lower()
        for hint in _HINTS:
            if hint in lowered:
                return _reshape(text, lowered)
        return text

    def clip(self, text: str, limit: int = VALUE_LIMIT) -> str:
        """The first `limit` characters without secrets, and a note when there were more.

        The text is cut before it is scrubbed, so that the cost does not grow with it. What the cut split
        lies in the margin, which is thrown away.
        """
        if len(text) <= _REMEMBERED_LENGTH <= limit:
            return text if text in self._clean else self._scrub_short(text)
        if len(text) <= limit:
            return self.scrub(text)
        head = self.scrub(text[: limit + self._margin])
        if len(text) > limit + self._margin:
            head = head[: -self._margin]
        return f"{head[:limit]}...[cut, {len(text)} characters in all]"

    def _scrub_short(self, text: str) -> str:
        clean = self._clean
        scrubbed = self.scrub(text)
        if scrubbed == text:
            if len(clean) >= _REMEMBERED:
                clean.clear()
            clean.add(text)
        return scrubbed


def _reshape(text: str, lowered: str) -> str:
    for shape in SHAPES:
        if any(hint in lowered for hint in shape.hints):
            text = shape.pattern.sub(shape.replacement, text)
    return text


def spellings(secret: str) -> frozenset[str]:
    """How a secret may be written: as it is, in a repr, in JSON, in a URL, in base64 at any offset."""
    found = {secret}
    for text in _escaped(secret):
        found |= {text, *_escaped(text)}
    for url in _url_encoded(secret):
        found |= {url, re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), url)}
    found.update(_base64(secret))
    return frozenset(found)


def _escaped(text: str) -> set[str]:
    """As `repr` writes it between quotes of either kind, which the text around decides, and as JSON does."""
    raw = text.encode(errors="surrogatepass")
    return {
        repr('"' + text)[2:-1],
        repr(text)[1:-1] if '"' in text else repr("'" + text)[2:-1],
        ascii('"' + text)[2:-1],
        ascii(text)[1:-1],
        repr(b'"' + raw)[3:-1],
        repr(raw)[2:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    }


def _url_encoded(text: str) -> Iterator[str]:
    data = text.encode(errors="surrogatepass")
    yield quote_plus(data)
    for safe in ("", "/", "!$&'()*+,;=:@/~"):
        yield quote(data, safe=safe)


def _base64(secret: str) -> Iterator[str]:
    """The characters that only the secret decides, wherever it stands in the encoded bytes."""
    data = secret.encode(errors="surrogatepass")
    for offset in range(3):
        bits = 8 * (offset + len(data))
        inner = base64.b64encode(bytes(offset) + data).decode()[(0, 2, 3)[offset] : bits // 6]
        if len(inner) >= _SHORTEST_BASE64:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
