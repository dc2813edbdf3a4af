"""The tape: what was answered once is given again while nothing that decides it has changed.

A key says: these messages, to these models with these settings, for an answer of this form, past these
rules, for the n-th time (`targets/` make keys). Answers are on two tapes: one in the database, which every
experiment writes, and a file of the suite, which is committed for machines that reach no model. A strict tape
refuses what neither knows.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, cast

import sqlalchemy as sa

from roadworthy.db import Database, Prepared, insert_once, pack, unpack
from roadworthy.db.tables.evals import tape as table
from roadworthy.errors import ConfigurationError, Fault
from roadworthy.evals.target import Outcome
from roadworthy.records import Clock, Json

FORM: Final = 1
"""To be counted up when keys or outcomes come to mean something else; what has another form is not used."""

Mode = Literal["use", "strict", "refresh", "off"]
"""`use`: what is known is not asked again. `strict`: what is not known is an error. `refresh`: all is asked
again, and recorded. `off`: all is asked again, and nothing is recorded."""

_ADD = insert_once(table, *table.c.keys())
_REMOVE = Prepared(sa.delete(table).where(table.c.key == sa.bindparam("wanted")))
_AT_ONCE = 500


class Tape:
    """The tapes of one suite."""

    def __init__(
        self, database: Database, clock: Clock, suite: str, file: Path | None, mode: Mode = "use"
    ) -> None:
        self.mode: Mode = mode
        self.faults: tuple[Fault, ...] = ()
        """Lines of the file that are not used, such as those of another form."""
        self._database = database
        self._clock = clock
        self._suite = suite
        self._file: dict[str, Outcome] = {}
        if file is not None and file.exists():
            self._file, self.faults = read(file)
        self.used: dict[str, Outcome] = {}
        """What was given or recorded in this experiment, by key: what a file of it would hold."""
        self.saved_usd = Decimal(0)
        """What all that was given cost when it was recorded."""

    async def find(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """What is known of these."""
        if self.mode in ("refresh", "off"):
            return {}
        wanted = list(keys)
        known = {key: self._file[key] for key in wanted if key in self._file}
        rest = [key for key in wanted if key not in known]
        for start in range(0, len(rest), _AT_ONCE):
            part = rest[start : start + _AT_ONCE]
            rows = await self._database.read(lambda tx, part=part: _rows(tx, part))
            known |= {key: _outcome(cast("Mapping[str, Any]", unpack(stored))) for key, stored in rows}
        self.used |= known
        self.saved_usd += sum((one.cost_usd for one in known.values()), Decimal(0))
        return known

    def now_ms(self) -> int:
        """When something is recorded."""
        return self._clock.now_ms()

    async def record(self, key: str, outcome: Outcome) -> None:
        """Keep an answer. One that is known already stays, unless all is asked again."""
        if self.mode in ("off", "strict"):
            return
        self.used[key] = outcome
        values = {
            "key": key,
            "suite": self._suite,
            "form": FORM,
            "outcome": pack(outcome.as_json()),
            "made_at": self.now_ms(),
        }

        def work(tx: sa.Connection) -> None:
            if self.mode == "refresh":
                _REMOVE.run(tx, wanted=key)
            _ADD.run(tx, **values)

        await self._database.write(work)


def _outcome(stored: Mapping[str, Any]) -> Outcome:
    """What a tape holds, told as coming from it."""
    return Outcome.from_json({**stored, "taped": True})


def _rows(tx: sa.Connection, keys: list[str]) -> list[tuple[str, bytes]]:
    query = sa.select(table.c.key, table.c.outcome).where(table.c.key.in_(keys), table.c.form == FORM)
    return [(row.key, row.outcome) for row in tx.execute(query)]


def read(path: Path) -> tuple[dict[str, Outcome], tuple[Fault, ...]]:
    """The answers of a file by their keys, and the lines that are not used. Raises `ConfigurationError`."""
    known: dict[str, Outcome] = {}
    faults: list[Fault] = []
    try:
        # not splitlines(): texts may hold what it takes for the end of a line, such as U+2028
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The tape {str(path)!r} cannot be read: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            said: dict[str, Any] = json.loads(line)
            if said["form"] != FORM:
                message = f"it was recorded in form {said['form']}, and this version reads form {FORM}."
                faults.append(Fault(message, file=path.name, line=number))
                continue
            known[said["key"]] = _outcome(said["outcome"])
        except (ValueError, KeyError, TypeError, ArithmeticError):
            faults.append(Fault("this is no recorded answer.", file=path.name, line=number))
    return known, tuple(faults)


def write(path: Path, known: Mapping[str, Outcome]) -> None:
    """Write a file of answers; what was there is replaced at once, or not at all."""
    lines = (
        _line({"form": FORM, "key": key, "outcome": _recorded(known[key])}) + "\n" for key in sorted(known)
    )
    beside = path.with_name(f".{path.name}.new")
    beside.write_text("".join(lines), encoding="utf-8", newline="\n")
    beside.replace(path)


def _line(said: Mapping[str, Any]) -> str:
    """JSON that people can read; escaped where a text has half characters, which no file holds."""
    text = json.dumps(said, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(said)
    return text


def _recorded(outcome: Outcome) -> Mapping[str, Json]:
    return {name: said for name, said in outcome.as_json().items() if name != "taped"}
