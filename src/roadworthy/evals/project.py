"""What evaluations are handed of a project: `Project`; and what of it is evaluated: `Variant`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from roadworthy.calls import Output, Pipeline, Rules
from roadworthy.db import Database
from roadworthy.evals.targets.workflow import Run
from roadworthy.models import Models
from roadworthy.prompts import Prompts, Version
from roadworthy.records import Clock, Ids
from roadworthy.settings import Settings


@dataclass(frozen=True, slots=True)
class Project:
    """A project's parts; the app connects them."""

    settings: Settings
    database: Database
    clock: Clock
    ids: Ids
    models: Models
    prompts: Prompts
    serves: Callable[[str], Version]
    """The version of a prompt that serves."""
    asked: Callable[[str], tuple[Output[Any], Rules]]
    """What the code checks a prompt's answers against, and what it says of them."""
    route: Callable[[str], str]
    """The route that serves a prompt."""
    pipeline: Callable[[Settings, Models], Pipeline]
    """Makes calls by other settings than the project's."""
    rehearsing: Callable[[Settings, Models], AbstractAsyncContextManager[Run]]
    """A stage on which workflows run by other settings, with no action carried out."""
    evaluators: Mapping[str, Callable[..., Any]]
    """Functions that the project declared with `@app.evaluator`, by name."""
    scrub: Callable[[str], str]
    """Takes secrets out of a text."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What is evaluated in the place of what serves; each None: what serves."""

    label: str | None = None
    """A version of the suite's prompt, or of `prompt`."""
    prompt: str | None = None
    """The prompt of that version, where a workflow is evaluated that asks several."""
    route: str | None = None
    model: str | None = None
    """One model alone, with everything else as its route says."""

    def __str__(self) -> str:
        if self.prompt:
            return f"{self.prompt}@{self.label}"
        return self.label or self.route or self.model or "what serves"

    @property
    def words(self) -> tuple[str, ...]:
        """How the command line is told of it; nothing for what serves."""
        if self.prompt:
            return "--on", str(self)
        named = {"version": self.label, "route": self.route, "model": self.model}
        return next((("--on", f"{kind}:{name}") for kind, name in named.items() if name), ())


SERVES = Variant()
"""What serves."""


def variant_of(said: str, project: Project, prompt_id: str | None) -> Variant | None:
    """The variant that a word names: a version's label, a route, or a model; None when it names none.

    `route:`, `model:` and `version:` in front say which, where a word could be several. A workflow asks
    several prompts: `ID@LABEL` is a version of one.
    """
    of, at, label = said.rpartition("@")
    if at and of in project.prompts and label in {one.label for one in project.prompts.versions(of)}:
        return Variant(label=label, prompt=None if of == prompt_id else of)
    kind, _, name = said.rpartition(":")
    labels = {one.label for one in project.prompts.versions(prompt_id)} if prompt_id else set[str]()
    known = {"version": labels, "route": set(project.settings.routes), "model": set(project.settings.models)}
    for its, names in known.items():
        if kind in ("", its) and name in names:
            return Variant(**{"label" if its == "version" else its: name})
    return None
