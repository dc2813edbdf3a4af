"""What a call's signals are worth: the files that `roadworthy confidence fit` writes, applied to answers.

A prompt without such a file is as sure as its least signal says. With one, an answer's confidence is the
probability that it is right; but only for what the file was learnt from: this version of the prompt, this
model, these signals. Of any other answer nobody knows how sure one may be, so that a person decides.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from roadworthy.calls.ask import Said
from roadworthy.calls.calibration import Calibration
from roadworthy.calls.call import Call
from roadworthy.errors import ConfigurationError, RoadworthyError
from roadworthy.records import Json
from roadworthy.settings import Settings

LEAST: Final = "least"
"""The one signal of files that were learnt from the least score alone."""
_FORMAT: Final = "roadworthy-confidence"
_VERSION: Final = 1
_AGAIN: Final = "Fit it again: roadworthy confidence fit"

_log = logging.getLogger("roadworthy.calls")


@dataclass(frozen=True, slots=True)
class ProvenBand:
    """What reviewed answers, other than those that the calibration was learnt from, prove of a band."""

    proceed: float | None
    """The least confidence in it; None where nothing is proven."""
    cases: int = 0
    """Answers that prove it."""
    wrong: int = 0
    """How many of those were wrong."""
    more_cases: int | None = None
    """Where nothing is proven: about how many more reviewed answers would; None when no number would."""


@dataclass(frozen=True)  # without slots, so that it keeps its digest
class ConfidenceFile:
    """What was learnt of one prompt, and what it was learnt from."""

    prompt: str
    prompt_version: str
    """For people: `draft-reply@v2`."""
    prompt_hash: str
    """Of that version's content."""
    model: str
    """As its provider calls it."""
    signals: tuple[str, ...]
    """Names, in the order of the weights; or `least` alone."""
    calibration: Calibration
    fitted_at: str
    """ISO 8601."""
    answers: int
    """Reviewed answers that it was learnt from."""
    bands: Mapping[str, ProvenBand] = field(default_factory=dict[str, ProvenBand])
    """From which confidence on no more than that share is wrong, by the share: `0.02`."""
    figures: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """How well it does on answers that it had not seen."""

    @cached_property
    def digest(self) -> str:
        """Changes with everything that decides what it says."""
        decides = [self.prompt_hash, self.model, self.signals, self.calibration.as_json()]
        return sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]

    def misfit(self, prompt_hash: str, model: str, signals: Mapping[str, float]) -> str:
        """Why it says nothing of an answer; empty when it does."""
        if prompt_hash != self.prompt_hash:
            return f"it was fitted on another version ({self.prompt_version})"
        if model != self.model:
            return f"it was fitted on answers of {self.model!r}, not of {model!r}"
        if not signals or (self.signals != (LEAST,) and set(signals) != set(self.signals)):
            here = ", ".join(signals) or "none"
            return f"it was fitted on the signals {', '.join(self.signals)}, not on {here}"
        return ""

    def confidence(self, signals: Mapping[str, float]) -> float:
        """The probability that an answer with these signals is right."""
        least = self.signals == (LEAST,)
        return self.calibration.apply(
            [min(signals.values())] if least else [signals[name] for name in self.signals]
        )

    @classmethod
    def read(cls, path: Path) -> "ConfidenceFile":
        """The file at `path`. Raises `ConfigurationError`: it is missing, damaged, or something else."""
        try:
            said: Any = json.loads(path.read_bytes())
            if said["format"] != _FORMAT or said["version"] != _VERSION:
                raise ConfigurationError(
                    f"{str(path)!r} is no file of confidence that this program reads.", hint=_AGAIN
                )
            return cls(
                **{name: _text(said[name]) for name in ("prompt", "prompt_version", "prompt_hash", "model")},
                signals=_names(said["signals"], said["calibration"]),
                calibration=Calibration.from_json(said["calibration"]),
                fitted_at=_text(said["fitted_at"]),
                answers=int(said["answers"]),
                bands={str(rate): ProvenBand(**its) for rate, its in said.get("bands", {}).items()},
                figures=dict(said["figures"]),
            )
        except FileNotFoundError:
            raise ConfigurationError(f"There is no file {str(path)!r} of confidence.", hint=_AGAIN) from None
        except OSError as error:
            raise ConfigurationError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, RoadworthyError) as error:
            if isinstance(error, ConfigurationError):
                raise
            raise ConfigurationError(f"{str(path)!r} is damaged: {error!r}.", hint=_AGAIN) from None

    def write(self, path: Path) -> None:
        """Write the file, in one go: whoever reads meanwhile sees the old or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8", newline="\n")
        unfinished.replace(path)

    def as_json(self) -> dict[str, Json]:
        """What `read` reads."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "prompt": self.prompt,
            "prompt_version": self.prompt_version,
            "prompt_hash": self.prompt_hash,
            "model": self.model,
            "signals": list(self.signals),
            "fitted_at": self.fitted_at,
            "answers": self.answers,
            "bands": {rate: cast("Json", asdict(its)) for rate, its in self.bands.items()},
            "figures": dict(self.figures),
            "calibration": self.calibration.as_json(),
        }


class Calibrations:
    """The files that the settings name, each read when its prompt is first asked. One for a pipeline."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files: dict[str, ConfidenceFile | None] = {}
        self._told: set[tuple[str, str]] = set()

    def file(self, prompt_id: str) -> ConfidenceFile | None:
        """What was learnt of a prompt; None where the settings name no file.

        Raises `ConfigurationError` where it cannot be read, or was made for another prompt.
        """
        if prompt_id not in self._files:
            chosen = self._settings.prompts.get(prompt_id)
            path = chosen.confidence if chosen is not None else None
            found = None if path is None else ConfidenceFile.read(self._settings.path(path))
            if found is not None and found.prompt != prompt_id:
                raise ConfigurationError(
                    f"prompts.{prompt_id}.confidence is a file of prompt {found.prompt!r}.", hint=_AGAIN
                )
            self._files[prompt_id] = found
        return self._files[prompt_id]

    def digest(self, prompt_id: str) -> str:
        """Changes with what turns a prompt's signals into confidence; empty where nothing does."""
        found = self.file(prompt_id)
        return "" if found is None else found.digest

    def confidence(self, call: Call[Any], said: Said[Any]) -> float | None:
        """How sure one may be of an answer; None where nobody knows."""
        found = self.file(call.version.prompt_id)
        if found is None:
            return said.confidence
        why = found.misfit(call.version.content_hash, said.attempt.served_model, said.signals)
        if not why:
            return found.confidence(said.signals)
        if (found.prompt, why) not in self._told:
            self._told.add((found.prompt, why))
            _log.warning(
                "the confidence of prompt %r is not calibrated: %s; people decide until it is fitted again "
                "(roadworthy confidence fit --prompt %s)",
                found.prompt,
                why,
                found.prompt,
            )
        return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _names(names: object, calibration: object) -> tuple[str, ...]:
    found = tuple(_text(one) for one in cast("list[object]", names))
    weights = cast("Mapping[str, list[float]]", calibration)["weights"]
    if len(found) != len(weights) or not found:
        raise ValueError(names)
    return found
