"""`judges.json` of a suite: which judges were compared with people, and what people said of which outputs.

It is committed, and the commit is the sign-off, as with a baseline. A judge is known by name and version:
with another prompt, model or setting it is another one, and has to be compared again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from roadworthy.errors import ConfigurationError
from roadworthy.evals.evaluator import Calibrated
from roadworthy.evals.experiment import Result
from roadworthy.evals.judging.labels import Key, output_hash
from roadworthy.evals.suite import JudgesSettings

_FORM = 1


@dataclass(frozen=True, slots=True)
class Known:
    """What people's labels said of one judge."""

    name: str
    version: str
    labels: int
    kappa: float
    kappa_low: float
    kappa_high: float
    sensitivity: float | None
    specificity: float | None
    bias_points: float
    experiment: str
    """Whose outputs they labelled."""
    made_at: str
    """ISO 8601."""

    def falls_short(self, rules: JudgesSettings) -> str:
        """Why it may not decide; empty when it may."""
        if self.labels < rules.min_labels:
            more = rules.min_labels - self.labels
            return f"{self.labels} labels by people of {rules.min_labels}: needs {more} more"
        if self.kappa < rules.min_kappa:
            return f"agrees with people too little: kappa {self.kappa:.2f}, {rules.min_kappa:g} is asked for"
        return ""


@dataclass(frozen=True, slots=True)
class Record:
    """The file."""

    judges: Mapping[str, Known] = field(default_factory=dict[str, Known])
    labels: Mapping[str, Mapping[str, bool]] = field(default_factory=dict[str, dict[str, bool]])
    """Of each case, by the hash of an output, whether people said that it passes."""

    def labels_of(self, results: Sequence[Result]) -> dict[Key, bool]:
        """What people said of these very outputs, in whichever experiment they saw them."""
        found: dict[Key, bool] = {}
        for one in results:
            its = self.labels.get(one.case_id)
            if its is not None and (passed := its.get(output_hash(one.outcome))) is not None:
                found[one.case_id, one.repeat] = passed
        return found

    def calibrated(self, name: str, version: str, rules: JudgesSettings) -> Calibrated | None:
        """That this very judge may decide; None when it only informs."""
        known = self.judges.get(name)
        if known is None or known.version != version or known.falls_short(rules):
            return None
        return Calibrated(known.labels, known.kappa)

    def why_not(self, name: str, version: str, rules: JudgesSettings) -> str:
        """Why this judge may not decide; empty when it may."""
        known = self.judges.get(name)
        if known is None:
            return f"not calibrated; needs {rules.min_labels} labels by people"
        if known.version != version:
            return "not calibrated: its prompt, model or settings changed since people's labels"
        return known.falls_short(rules)


def read_record(path: Path) -> Record:
    """What is in a file; nothing where there is none. Raises `ConfigurationError`."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said["form"] != _FORM:
            raise ConfigurationError(
                f"{path.parent.name}/{path.name} has form {said['form']}; this version reads form {_FORM}.",
                hint=f"Make it again: roadworthy evals calibrate {path.parent.name}",
            )
        judges = {name: _known(name, its) for name, its in said["judges"].items()}
        labels = cast("Mapping[str, Mapping[str, bool]]", said["labels"])
        return Record(judges, {case: dict(its) for case, its in labels.items()})
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path.parent.name}/{path.name} is no record of judges: {error!r}.",
            hint=f"Restore it from git, or make it again: roadworthy evals calibrate {path.parent.name}",
        ) from error


def _known(name: str, told: Mapping[str, Any]) -> Known:
    # a judge decides by these: a text would be no number later
    numbers: dict[str, Any] = {"labels": int(told["labels"]), "kappa": float(told["kappa"])}
    return Known(name=name, **{**told, **numbers})


def write_record(path: Path, record: Record) -> None:
    """Write it: one line a judge and a case, so that a change of it can be reviewed."""
    known = {name: asdict(one) for name, one in sorted(record.judges.items())}
    judges = [
        f"{_json(name)}: {_json({key: its[key] for key in its if key != 'name'})}"
        for name, its in known.items()
    ]
    labels = [
        f"{_json(case)}: {_json(dict(sorted(its.items())))}" for case, its in sorted(record.labels.items())
    ]
    parts = [f'"form": {_FORM}', f'"judges": {_object(judges)}', f'"labels": {_object(labels)}']
    beside = path.with_name(f".{path.name}.new")
    beside.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    beside.replace(path)


def _object(lines: list[str]) -> str:
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
