"""`Recording`: a file of exchanges, one JSON object a line, read whole and written line by line."""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from roadworthy.errors import ConfigurationError, ErrorKind, ProviderError
from roadworthy.models.provider import Request
from roadworthy.telemetry.scrubber import Scrubber
from roadworthy.testing.recording.exchange import Exchange, canonical, differences, hash_of

_FORMAT = 1


class Recording:
    """A file of exchanges, held in memory while it is used. Safe to use from several threads."""

    def __init__(self, path: Path, exchanges: list[Exchange], scrubber: Scrubber) -> None:
        """Use `new` or `read`."""
        self.path = path
        self.scrubber = scrubber
        self.missed: list[ProviderError] = []
        """Requests that were asked for and are not recorded, each as its error."""
        self._lock = threading.Lock()
        self._exchanges = exchanges
        self._by_key: dict[str, list[Exchange]] = {}
        for exchange in exchanges:
            self._by_key.setdefault(exchange.key, []).append(exchange)
        self._given: dict[str, int] = {}

    @classmethod
    def new(cls, path: Path, *, scrubber: Scrubber | None = None) -> Self:
        """An empty recording; a file that is there already is replaced.

        `scrubber` knows literal secrets to keep out; what looks like a key is kept out in any case.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        return cls(path, [], scrubber or Scrubber())

    @classmethod
    def read(cls, path: Path, *, scrubber: Scrubber | None = None) -> Self:
        """The recording in a file.

        Raises:
            ConfigurationError: There is no such file, or a line of it is no exchange.
        """
        try:
            # not splitlines(): texts may hold what it takes for the end of a line, such as U+2028
            lines = path.read_text(encoding="utf-8").split("\n")
        except OSError as error:
            hint = "Record it first, in a block `with record(app, path):`."
            raise ConfigurationError(f"The recording {str(path)!r} cannot be read.", hint=hint) from error
        exchanges = [_parsed(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]
        return cls(path, exchanges, scrubber or Scrubber())

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Everything that is recorded, in order."""
        return tuple(self._exchanges)

    def add(self, exchange: Exchange) -> None:
        """Add an exchange, to the file at once."""
        line = json.dumps({"format": _FORMAT, "key": exchange.key, **asdict(exchange)}, ensure_ascii=False)
        with self._lock:
            self._exchanges.append(exchange)
            self._by_key.setdefault(exchange.key, []).append(exchange)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, f"{line}\n".encode())
            finally:
                os.close(descriptor)

    def find(self, model: str, request: Request) -> Exchange:
        """The exchange for this request.

        Raises:
            ProviderError: `NOT_CONFIGURED`; the message says what differs from the nearest exchange.
        """
        asked = canonical(request, self.scrubber)
        key = hash_of(model, asked)
        with self._lock:
            found = self._by_key.get(key, [])
            given = self._given.get(key, 0)
            self._given[key] = given + 1
        if found:
            return found[min(given, len(found) - 1)]
        message = f"The recording {self.path.name!r} has no answer for this request to model {model!r}."
        hint = f"{self._nearest(model, asked)} Record it again, or undo the change."
        error = ProviderError(message, kind=ErrorKind.NOT_CONFIGURED, hint=hint)
        self.missed.append(error)
        raise error

    def _nearest(self, model: str, asked: Mapping[str, Any]) -> str:
        """In words: what differs from the exchange that is most like the request."""
        if not self._exchanges:
            return "It is empty."
        compared = [
            (differences({"model": its.model, **its.request}, {"model": model, **asked}), line)
            for line, its in enumerate(self._exchanges, 1)
        ]
        found, line = min(compared, key=lambda pair: len(pair[0]))
        return f"The nearest, in line {line}, differs in {'; '.join(found[:3])}."


def _parsed(line: str, path: Path, number: int) -> Exchange:
    try:
        fields: Any = json.loads(line)
        if fields["format"] == _FORMAT:
            return Exchange(fields["model"], fields["request"], fields["response"], fields["error"])
    except (ValueError, KeyError, TypeError):
        pass
    message = f"Line {number} of the recording {str(path)!r} is no recorded exchange."
    raise ConfigurationError(message, hint="Remove the line, or record again.")
