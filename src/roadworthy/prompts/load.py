"""All prompts of a project: the files `prompts/<id>/<label>.md`, found, parsed and looked up.

`load_prompts` reads every file and reports the faults of all of them in one error. The result does not
change; a running program serves what it loaded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roadworthy.errors import Fault, NotFound, PromptError, did_you_mean
from roadworthy.prompts.faults import faults_of, prompt_error
from roadworthy.prompts.parse import parse
from roadworthy.prompts.version import Version, natural_key

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_MISTAKEN: Final = frozenset({".markdown", ".txt", ".prompt", ".jinja", ".j2", ".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt with all its versions."""

    id: str
    versions: tuple[Version, ...]
    """In natural order of their labels: v2 before v10."""

    @property
    def latest(self) -> Version:
        """The version with the highest label."""
        return self.versions[-1]

    def version(self, label: str | None = None) -> Version:
        """The version of that label, or the latest.

        Raises:
            NotFound: There is no such label.
        """
        if label is None:
            return self.latest
        for version in self.versions:
            if version.label == label:
                return version
        hint = did_you_mean(label, [version.label for version in self.versions])
        raise NotFound(f"Prompt {self.id!r} has no version {label!r}.", hint=hint)


class Prompts:
    """The prompts of a project, by id."""

    def __init__(self, prompts: Mapping[str, Prompt], place: str = "prompts") -> None:
        self._prompts = dict(sorted(prompts.items()))
        self._place = place

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._prompts.values())

    def __len__(self) -> int:
        return len(self._prompts)

    def __contains__(self, prompt_id: object) -> bool:
        return prompt_id in self._prompts

    def get(self, prompt_id: str) -> Prompt:
        """The prompt of that id.

        Raises:
            NotFound: There is none.
        """
        prompt = self._prompts.get(prompt_id)
        if prompt is None:
            hint = (
                did_you_mean(prompt_id, self._prompts)
                or f"Write its first version as {self._place}/{prompt_id}/v1.md."
            )
            raise NotFound(f"There is no prompt {prompt_id!r}.", hint=hint)
        return prompt

    def versions(self, prompt_id: str) -> tuple[Version, ...]:
        """All versions of a prompt, in natural order of their labels."""
        return self.get(prompt_id).versions

    def latest(self, prompt_id: str) -> Version:
        """The version of a prompt with the highest label."""
        return self.get(prompt_id).latest

    def all_versions(self) -> tuple[Version, ...]:
        """Every version of every prompt, for `store.register_all`."""
        return tuple(version for prompt in self for version in prompt.versions)


def load_prompts(root: Path) -> Prompts:
    """The prompts in the folder `root`; none when there is no such folder.

    Raises:
        PromptError: Files that are no prompts; every fault with file and line.
    """
    faults: list[Fault] = []
    versions: dict[str, list[Version]] = {}
    for path in _files(root, faults):
        try:
            version = _load(path, root)
        except PromptError as error:
            faults += faults_of(error)
        else:
            versions.setdefault(version.prompt_id, []).append(version)
    if faults:
        raise prompt_error(faults)
    prompts = {
        prompt_id: Prompt(prompt_id, tuple(sorted(found, key=lambda version: natural_key(version.label))))
        for prompt_id, found in versions.items()
    }
    return Prompts(prompts, root.name)


def _files(root: Path, faults: list[Fault]) -> Iterator[Path]:
    """The prompt files; what looks like one in the wrong place or under a wrong name is a fault."""
    if root.exists() and not root.is_dir():
        faults.append(
            Fault("this must be a folder: prompts are files <id>/<version>.md in it.", file=root.name)
        )
        return
    for entry in _entries(root):
        if not entry.is_dir():
            if entry.suffix.lower() == ".md":
                message = (
                    f"a prompt has a folder of its own: move this file to {root.name}/{entry.stem}/v1.md."
                )
                faults.append(Fault(message, file=_display(entry, root)))
            continue
        for path in _entries(entry):
            if path.is_dir() or path.suffix.lower() not in _MISTAKEN | {".md"}:
                continue
            message = _name_fault(entry.name, "folder") or _name_fault(path.stem, "file")
            if path.suffix != ".md":
                message = f"a prompt's version is a file that ends in '.md': rename it to {path.stem}.md."
            if message:
                faults.append(Fault(message, file=_display(path, root)))
            else:
                yield path


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.name[0] not in "._" and path.name.lower() != "readme.md"
    )


def _name_fault(name: str, noun: str) -> str:
    if _NAME.fullmatch(name):
        return ""
    return f"{name!r} cannot name a {noun} of a prompt: use small letters, digits and '-_.', at most 100."


def _load(path: Path, root: Path) -> Version:
    file = _display(path, root)
    try:
        source = path.read_bytes()
    except OSError as error:
        message = f"the file cannot be read ({error.strerror}): check its permissions."
        raise prompt_error([Fault(message, file=file)]) from error
    return parse(source, prompt_id=path.parent.name, label=path.stem, file=file)


def _display(path: Path, root: Path) -> str:
    return (root.name / path.relative_to(root)).as_posix()
