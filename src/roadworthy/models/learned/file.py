"""The file of a trained router: what it learned and what was proven, as JSON that people can compare.

One line a term, in order, so that a change shows in a review. It is read and written only here.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from roadworthy.errors import ConfigurationError

VERSION: Final = 1
_FORMAT: Final = "roadworthy-router"
_MOST_BYTES = 50_000_000
_AGAIN = "Train it again: roadworthy routes train"

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Cases(_Part):
    """How many cases each part of the work had. No case took part in two."""

    lines: int
    """Results read; those of the same words count as one case."""
    fit: int
    """To learn the weights."""
    choose: int
    """To choose the threshold."""
    report: int
    """To measure what came out."""


class Measured(_Part):
    """What the cases that took no part say. A loss is a mean over all of them, cheap or not."""

    share: Share
    """Of all cases, those that go to the cheap model."""
    loss: float
    """How much lower the mean score is than with the strong model alone; negative: higher."""
    loss_at_most: float
    """Its upper bound from these cases alone."""
    worse: Share
    """The part of the loss where the cheap model did worse."""
    better: Share
    """What of it was won back where the cheap model did better."""
    random_loss: float
    """The loss when the same share is picked at random."""
    cheap_loss: float
    """The loss when all go to the cheap model."""


class Row(_Part):
    """What share another allowed loss would give. Each row holds by itself, not all of them together."""

    max_loss: Share
    share: Share
    loss: float


class RouterFile(_Part):
    """A trained router."""

    format: Literal["roadworthy-router"] = _FORMAT
    version: Literal[1] = VERSION
    route: str
    cheap: str
    """The model of the route that is asked where the score reaches `threshold`."""
    strong: str
    """The model of the route that is asked else."""
    served: dict[str, str]
    """What the providers call the two models; empty when it was not said."""
    trained_at: str
    data_sha256: str
    """Of the file with the results."""
    cases: Cases
    max_loss: Share
    """The loss that was allowed."""
    confidence: Share
    bound: Literal["exact", "betting"]
    """How the loss was bounded: see `bound.py`."""
    threshold: Share | None
    """None: no threshold is proven, all go to the strong model."""
    max_share: Share
    """The share that may go to the cheap model."""
    loss_bound: float | None
    """What the loss at this threshold is proven not to exceed, from the cases that chose it."""
    more_cases: int | None
    """Where the share is 0: about how many more cases could change that; None: no number of them."""
    measured: Measured
    table: tuple[Row, ...]
    intercept: float
    terms: dict[str, tuple[float, float]]
    """For each term its inverse document frequency and its weight."""

    @model_validator(mode="after")
    def _agree(self) -> "RouterFile":
        if self.threshold is None and self.max_share > 0:
            message = "max_share must be 0 where there is no threshold"
            raise ValueError(message)
        if self.cheap == self.strong:
            message = "cheap and strong must be two models"
            raise ValueError(message)
        return self

    @classmethod
    def read(cls, path: Path) -> "RouterFile":
        """The file at `path`.

        Raises:
            ConfigurationError: It is missing, damaged, something else, or of another version.
        """
        raw = _read(path)
        if raw.get("format") != _FORMAT:
            raise ConfigurationError(f"{str(path)!r} is not the file of a trained router.", hint=_AGAIN)
        if raw.get("version") != VERSION:
            raise ConfigurationError(
                f"The router in {str(path)!r} has another format than this program reads ({VERSION}).",
                hint=_AGAIN,
            )
        try:
            return cls.model_validate_json(json.dumps(raw))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"][:2]) or "the whole"
            raise ConfigurationError(
                f"The router in {str(path)!r} is damaged: {where}: {first['msg']}.", hint=_AGAIN
            ) from None

    def write(self, path: Path) -> None:
        """Write the file, in one go: whoever reads meanwhile sees the old or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_text(self.text(), encoding="utf-8", newline="\n")
        unfinished.replace(path)

    def text(self) -> str:
        """The file's text."""
        head = json.dumps(self.model_dump(mode="json", exclude={"terms"}), indent=2)
        lines = ",\n".join(
            f"    {json.dumps(term)}: {json.dumps(self.terms[term])}" for term in sorted(self.terms)
        )
        body = f"{{\n{lines}\n  }}" if lines else "{}"
        return f'{head[: -len("}")].rstrip()},\n  "terms": {body}\n}}\n'


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{str(path)!r} is too large for the file of a router.", hint=_AGAIN)
        raw: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no trained router {str(path)!r}.", hint="Train it: roadworthy routes train"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{str(path)!r} is not JSON.", hint=_AGAIN) from None
    return cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
