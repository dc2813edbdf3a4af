"""What a project's code declares, and what its settings say to it: `Catalogue`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import sqlalchemy as sa

from roadworthy.calls import Answer, Output, Rules
from roadworthy.calls.calibrated import Calibrations
from roadworthy.errors import ConfigurationError, Fault, NotFound, SettingsError, did_you_mean
from roadworthy.prompts import Prompts, Version, parse
from roadworthy.prompts import store as prompt_store
from roadworthy.releases import Release, Snapshot, current_pins, prompt_subject
from roadworthy.settings import Settings
from roadworthy.workflows import Prompt, Workflow


class Catalogue:
    """The workflows of a project, the prompts that it asks, and which version and route serve each."""

    def __init__(self, settings: Settings, prompts: Prompts) -> None:
        self.settings = settings
        self.prompts = prompts
        self._workflows: dict[str, Workflow[..., Any]] = {}
        self._asked: dict[str, list[Prompt[Any]]] = {}
        self._evaluators: dict[str, Callable[..., Any]] = {}
        self._released: Mapping[str, Release] = {}
        self._texts: dict[tuple[str, str], Version] = {}

    @property
    def workflows(self) -> Mapping[str, Workflow[..., Any]]:
        """The workflows declared so far, by name."""
        return self._workflows

    def version(self, prompt_id: str) -> Version:
        """The version of a prompt that serves here, or most of all who ask.

        It is the one that is pinned, else the one that was released, else the one the settings name.
        """
        subject = prompt_subject(prompt_id)
        label, release = current_pins().get(subject), self._released.get(subject)
        if label is None and release is not None:
            return self.version_of(prompt_id, *release.main.key)
        return self.prompts.get(prompt_id).version(label) if label else self.default_version(prompt_id)

    def default_version(self, prompt_id: str) -> Version:
        """The version that serves where none was released: the one the settings name, else the newest."""
        chosen = self.settings.prompts.get(prompt_id)
        return self.prompts.get(prompt_id).version(chosen.version if chosen else None)

    def serves(self, version: Version) -> bool:
        """Whether a version serves here, everybody or a share of them."""
        release = self._released.get(prompt_subject(version.prompt_id))
        if release is None:
            return version.label == self.version(version.prompt_id).label
        return any(arm.content_hash == version.content_hash for arm in release.arms)

    def version_of(self, prompt_id: str, label: str, content_hash: str) -> Version:
        """The version of that text, under that label; from the database where no file has the text.

        An empty hash stands for whatever the label's file says. Raises `NotFound`.
        """
        prompt = self.prompts.get(prompt_id)
        if not content_hash:
            return prompt.version(label)
        for version in prompt.versions:
            if version.content_hash == content_hash:
                return version if version.label == label else replace(version, label=label)
        kept = self._texts.get((prompt_id, content_hash))
        if kept is None:
            raise NotFound(
                f"The text of {prompt_id}@{label} ({content_hash[:12]}) is not known here.",
                hint=f"Promote a version that is: roadworthy prompts promote {prompt_id} LABEL",
            )
        return kept if kept.label == label else replace(kept, label=label)

    def take_releases(self, tx: sa.Connection, snapshot: Snapshot) -> None:
        """Let these serve; texts that no file has are read from the database."""
        for prompt in self.prompts:
            release = snapshot.releases.get(prompt_subject(prompt.id))
            for arm in release.arms if release is not None else ():
                self.take_text(tx, prompt.id, *arm.key)
        self._released = snapshot.releases

    def take_text(self, tx: sa.Connection, prompt_id: str, label: str, content_hash: str) -> None:
        """Read a version's text from the database where no file has it."""
        known = {version.content_hash for version in self.prompts.versions(prompt_id)}
        if content_hash in known or (prompt_id, content_hash) in self._texts:
            return
        stored = prompt_store.by_hash(tx, content_hash)
        if stored is not None:
            self._texts[prompt_id, content_hash] = parse(stored.text, prompt_id=prompt_id, label=label)

    def outputs(self, prompt_id: str) -> tuple[Output[Any], ...]:
        """What the code checks a prompt's answers against; nothing for a prompt that it does not ask."""
        return tuple(asked.output for asked in self._asked.get(prompt_id, ()))

    def _asked_as(self, prompt_id: str) -> tuple[Output[Any], Rules]:
        """A prompt as the code asks it first; as text, and without rules, where no code asks it."""
        first = next(iter(self._asked.get(prompt_id, ())), None)
        return (Output(str), Rules()) if first is None else (first.output, first.rules)

    @property
    def evaluators(self) -> Mapping[str, Callable[..., Any]]:
        """The functions that judge outcomes in evaluations, by name."""
        return self._evaluators

    def routes_of(self, workflow: str) -> tuple[str, ...]:
        """The routes by which this workflow's calls go, for every prompt that the project asks.

        Raises `ConfigurationError` when no route serves one of them.
        """
        return tuple(dict.fromkeys(self._route(prompt_id, workflow) for prompt_id in self._asked))

    def check(self) -> None:
        """Check the settings against the code: names of workflows and prompts. Raises `SettingsError`."""
        faults: list[Fault] = []
        if self._workflows:
            named = [(f"workflows.{name}", name) for name in self.settings.workflows]
            named += [
                (f"schedules.{name}.workflow", one.workflow) for name, one in self.settings.schedules.items()
            ]
            for key, name in named:
                if name not in self._workflows:
                    hint = did_you_mean(name, self._workflows)
                    faults.append(Fault(f"[{key}]: there is no workflow {name!r}. {hint}".rstrip(), key=key))
        for prompt_id, chosen in self.settings.prompts.items():
            try:
                self.prompts.get(prompt_id).version(chosen.version)
            except NotFound as error:
                faults.append(Fault(f"[prompts.{prompt_id}]: {error}", key=f"prompts.{prompt_id}"))
        calibrations = Calibrations(self.settings)
        for prompt_id in self.settings.prompts:
            try:
                calibrations.file(prompt_id)
            except ConfigurationError as error:
                key = f"prompts.{prompt_id}.confidence"
                faults.append(Fault(f"{key}: {error}", key=key))
        if faults:
            raise SettingsError(faults)

    def _route(self, prompt_id: str, workflow: str | None, version: Version | None = None) -> str:
        asked = (version or self.version(prompt_id)).settings.route
        route = self.settings.route_for(prompt_id, workflow) or asked
        if route is None:
            raise ConfigurationError(
                f"No route serves prompt {prompt_id!r}.",
                hint=f"Add [routes.default] with models = [...], or [prompts.{prompt_id}] with route = ...",
            )
        if route not in self.settings.routes:
            raise ConfigurationError(
                f"Prompt {prompt_id!r} asks for route {route!r}, which the settings do not have.",
                hint=did_you_mean(route, self.settings.routes),
            )
        return route

    def _task(self, prompt_id: str) -> str:
        chosen = self.settings.prompts.get(prompt_id)
        return (chosen.task if chosen else None) or prompt_id

    def _output_of(self, answer: Answer[Any]) -> tuple[Output[Any], tuple[str, ...]]:
        """The declared type of an answer, and the names of the checks that it has passed."""
        asked = self._asked.get(answer.prompt_version.rpartition("@")[0], [])
        fitting = [one for one in asked if _is_of(one.output, answer.value)]
        if not fitting:
            return Output(cast("type[Any]", type(answer.value))), ()
        return fitting[0].output, () if answer.rung in ("rule", "review") else fitting[0].checks


def _is_of(output: Output[Any], value: object) -> bool:
    """Whether a value is one of this type, and not only something that can be made into one."""
    try:
        return type(output.load(output.dump(value))) is type(value)
    except (ValueError, TypeError):
        return False
