"""One way in and one way out for every format: `import_`, `export`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from roadworthy.errors import ConfigurationError, Fault
from roadworthy.evals import dataset
from roadworthy.evals.case import Case
from roadworthy.evals.exchange import inspect_samples, pydantic_cases, table
from roadworthy.evals.exchange.foreign import Foreign
from roadworthy.evals.exchange.table import Columns
from roadworthy.evals.suite import SuiteSettings


class Format(StrEnum):
    """Whose file it is."""

    PYDANTIC_EVALS = "pydantic-evals"
    """A data set of pydantic-evals, YAML or JSON."""
    INSPECT = "inspect"
    """Samples of Inspect, one JSON object a line."""
    CSV = "csv"
    """A table with a header; read only."""
    JSONL = "jsonl"
    """Our own."""

    @classmethod
    def of(cls, path: Path) -> "Format | None":
        """What a file's name says; None where it could be several."""
        return {".yaml": cls.PYDANTIC_EVALS, ".yml": cls.PYDANTIC_EVALS, ".csv": cls.CSV}.get(
            path.suffix.lower()
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file holds."""

    cases: tuple[Case, ...]
    faults: tuple[Fault, ...] = ()
    """Cases that cannot be read."""
    left: Mapping[str, int] = field(default_factory=dict[str, int])
    """What is not taken over, and of how many cases."""
    evaluators: tuple[dict[str, Any], ...] = ()
    """Evaluators for `suite.toml`."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A data set for another tool."""

    text: str
    left: Mapping[str, int]
    """What that tool cannot hold, and of how many cases."""


def import_(path: Path, form: Format, columns: Columns | None = None) -> Imported:
    """What a file of another tool holds. Raises `ConfigurationError` when it is no such file."""
    if form is Format.JSONL:
        own = dataset.read(path, keep_going=True)
        return Imported(own.cases, own.faults)
    try:
        source = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{str(path)!r} cannot be read: {error}.") from error
    if form is Format.CSV:
        found = table.read(source, columns or Columns())
    else:
        found = (pydantic_cases if form is Format.PYDANTIC_EVALS else inspect_samples).read(source)
    return _checked(found, path)


def export(cases: Sequence[Case], settings: SuiteSettings | None, form: Format, name: str) -> Exported:
    """A data set as another tool reads it. Raises `ConfigurationError` for a format that is read only."""
    if form is Format.CSV:
        raise ConfigurationError("CSV is read only: inputs and expectations are more than columns.")
    if form is Format.JSONL:
        return Exported(dataset.text_of(cases), {})
    if form is Format.INSPECT:
        return Exported(inspect_samples.write(cases), {})
    text, left = pydantic_cases.write(cases, settings, name)
    return Exported(text, left)


def _checked(found: Foreign, path: Path) -> Imported:
    """Ids are made where there are none, and refused where they come twice."""
    faults = [replace(one, file=path.name) for one in found.faults]
    known: dict[str, Case] = {}
    for number, case in enumerate(found.cases, 1):
        named = case if case.id else replace(case, id=f"case-{number}")
        if named.id in known:
            faults.append(Fault(f"There are two cases {named.id!r}.", file=path.name, line=named.line))
        else:
            known[named.id] = named
    if not known and not faults:
        raise ConfigurationError(f"{path.name!r} has no cases.")
    return Imported(tuple(known.values()), tuple(faults), Counter(found.left), tuple(found.evaluators))
