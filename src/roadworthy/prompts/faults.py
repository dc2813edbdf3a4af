"""Faults found in prompt files, gathered so that an author sees all of them at once."""

from collections.abc import Iterable
from dataclasses import asdict

from roadworthy.errors import Fault, PromptError


def prompt_error(faults: Iterable[Fault]) -> PromptError:
    """One error for all faults, in the order of the files; `details["faults"]` carries them as data."""
    ordered = sorted(faults, key=lambda fault: (fault.file, fault.line))
    return PromptError(
        "\n".join(str(fault) for fault in ordered), details={"faults": [asdict(f) for f in ordered]}
    )


def faults_of(error: PromptError) -> list[Fault]:
    """The faults that `prompt_error` was made of."""
    return [Fault(**fault) for fault in error.details.get("faults", ())]
