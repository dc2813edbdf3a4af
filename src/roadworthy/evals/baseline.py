"""The baseline of a suite: what the last accepted experiment did, case by case, in a committed file.

The commit is the sign-off: whoever accepts other results commits another baseline. Its fingerprint says what
was accepted, so that a change since then is seen; and its verdict counts as evidence where there is no
database that knows the experiment.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from roadworthy.errors import ConfigurationError
from roadworthy.evals.experiment import Experiment, Result, VerdictKind, pass_shares
from roadworthy.records import iso

_FORM = 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was accepted."""

    experiment_id: str
    variant: str
    fingerprint: str
    parts: Mapping[str, str]
    verdict: VerdictKind | None
    at: str
    """When the experiment began, ISO 8601."""
    commit: str
    shares: Mapping[str, float]
    """Of each case, the share of its answers that passed."""
    hashes: Mapping[str, str]
    """What each case was."""


def baseline_of(experiment: Experiment, results: Sequence[Result]) -> Baseline:
    """The baseline that an experiment makes."""
    return Baseline(
        experiment_id=experiment.id,
        variant=experiment.variant,
        fingerprint=experiment.fingerprint,
        parts=experiment.parts,
        verdict=experiment.verdict,
        at=iso(experiment.started_at),
        commit=experiment.commit,
        shares=pass_shares(results),
        hashes={one.case_id: one.case_hash for one in results},
    )


def write(path: Path, baseline: Baseline) -> None:
    """Write it: one line a case, so that a change of it can be reviewed."""
    head: dict[str, Any] = {
        "form": _FORM,
        "experiment": baseline.experiment_id,
        "variant": baseline.variant,
        "verdict": baseline.verdict.value if baseline.verdict else None,
        "at": baseline.at,
        "commit": baseline.commit,
        "fingerprint": baseline.fingerprint,
        "parts": dict(baseline.parts),
    }
    cases = [
        f"{_json(one)}: {_json({'passed': share, 'case': baseline.hashes[one]})}"
        for one, share in sorted(baseline.shares.items())
    ]
    lines = [f"{_json(name)}: {_json(said)}" for name, said in head.items()]
    lines.append('"cases": {\n' + ",\n".join(cases) + "\n}")
    beside = path.with_name(f".{path.name}.new")
    beside.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    beside.replace(path)


def read(path: Path) -> Baseline | None:
    """The baseline in a file; None when there is no such file. Raises `ConfigurationError`."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said["form"] != _FORM:
            raise ConfigurationError(
                f"{path.parent.name}/{path.name} has form {said['form']}; this version reads form {_FORM}.",
                hint=f"Remove it, and accept anew: roadworthy eval {path.parent.name} --accept",
            )
        cases = cast("Mapping[str, Mapping[str, Any]]", said["cases"])
        return Baseline(
            experiment_id=said["experiment"],
            variant=said["variant"],
            fingerprint=said["fingerprint"],
            parts=said["parts"],
            verdict=VerdictKind(said["verdict"]) if said["verdict"] else None,
            at=said["at"],
            commit=said["commit"],
            shares={one: float(its["passed"]) for one, its in cases.items()},
            hashes={one: str(its["case"]) for one, its in cases.items()},
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path.parent.name}/{path.name} is no baseline: {error!r}.",
            hint="Restore it from git; or remove it, and accept anew: "
            f"roadworthy eval {path.parent.name} --accept",
        ) from error


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
