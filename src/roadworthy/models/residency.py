"""Where data may go: which models may see data of these kinds, and why the others may not.

A kind of data is the name of a section `[residency.<kind>]`, which lists regions. Whatever is not clearly
permitted is refused: a kind without a section, a model without a region. Only what runs in this process
needs no region, because its data stays here. A model of Bedrock that is served from several regions (an
inference profile, such as `eu.anthropic.…`) is in all of them at once.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from roadworthy.errors import did_you_mean
from roadworthy.settings import ResidencySettings

_IN_THIS_PROCESS = frozenset({"local", "python"})
_PROFILE = re.compile(r"(?:^|/)(global|us-gov|us|eu|apac|[a-z]{2})\.[a-z]")
"""A name by which Bedrock serves a model from any region of a group, as documented in 2026-11."""


class Placed(Protocol):
    """A model, as far as its place goes. `Target` is one."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    @property
    def provider(self) -> str:
        """The provider's name in the settings."""
        ...

    @property
    def model(self) -> str:
        """The model's name on the wire."""
        ...

    @property
    def region(self) -> str | None:
        """Where the provider computes."""
        ...


P = TypeVar("P", bound=Placed)


def allowed(
    targets: Iterable[P], tags: Sequence[str], residency: Mapping[str, ResidencySettings]
) -> tuple[tuple[P, ...], list[tuple[str, str]]]:
    """The models that data of all these kinds may go to, in their order; and the others by name, with why."""
    permitted: list[P] = []
    refused: list[tuple[str, str]] = []
    for target in targets:
        why = next(filter(None, (_refusal(target, tag, residency) for tag in tags)), None)
        if why is None:
            permitted.append(target)
        else:
            refused.append((target.name, why))
    return tuple(permitted), refused


def describe(tags: Sequence[str], refused: Iterable[tuple[str, str]]) -> str:
    """Which data may not go where, as a sentence for an error."""
    kinds = ", ".join(repr(tag) for tag in tags)
    return (
        f"Data of kind {kinds} may not go to " + "; ".join(f"{name!r}: {why}" for name, why in refused) + "."
    )


def _refusal(target: Placed, tag: str, residency: Mapping[str, ResidencySettings]) -> str | None:
    """Why data of this kind may not go there; None when it may."""
    section = residency.get(tag)
    if section is None:
        hint = did_you_mean(tag, residency).rstrip(".")
        return f"there is no [residency.{tag}] that says where data of this kind may go" + (
            f" ({hint})" if hint else ""
        )
    if target.provider in _IN_THIS_PROCESS:
        return None
    region = _region(target)
    if region is not None and any(_within(region, permitted) for permitted in section.regions):
        return None
    where = "it has no region" if region is None else f"its region is {region!r}"
    return f"{where}, and data of kind {tag!r} is for {_listed(section.regions)} only"


def _region(target: Placed) -> str | None:
    """Where it computes, as widely as that may be."""
    profile = _PROFILE.search(target.model) if target.provider == "bedrock" else None
    return profile[1] if profile is not None else target.region


def _within(region: str, permitted: str) -> bool:
    """Whether a region is the permitted one or a part of it: `eu-central-1` is a part of `eu`."""
    region, permitted = region.strip().casefold(), permitted.strip().casefold()
    return bool(permitted) and (region == permitted or region.startswith(f"{permitted}-"))


def _listed(regions: Sequence[str]) -> str:
    return ", ".join(repr(region) for region in regions)
