"""Runs a suite as the project was at a commit: in a working tree of its own, by a process of its own.

Code, settings and prompts are those of the commit; cases, evaluators and tape are today's, so that both sides
are judged alike. The experiment is recorded in the project's database, from where it is read.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadworthy.errors import ConfigurationError

if TYPE_CHECKING:
    from roadworthy.evals import Evals
    from roadworthy.evals.evaluated import Evaluated


def is_commit(root: Path, said: str) -> bool:
    """Whether a word names a commit of the project's repository."""
    words = ("rev-parse", "--verify", "--quiet", f"{said.removeprefix('commit:')}^{{commit}}")
    return not said.startswith("-") and _git(root, *words).returncode == 0


async def evaluate_at(
    evals: "Evals",
    suite: str,
    said: str,
    *,
    mode: str,
    resume: str | None,
    repeats: int | None,
    keep_going: bool,
) -> "Evaluated":
    """The suite's experiment at a commit. Raises `ConfigurationError` with what the process there said."""
    options = ["--tape", mode, *(["--keep-going"] if keep_going else [])]
    options += [] if repeats is None else ["--repeats", str(repeats)]
    again = [] if resume is None else ["--resume", resume]
    commit = said.removeprefix("commit:")
    with _tree(evals.root, commit) as there:
        shutil.copytree(evals.root / "evals" / suite, there / "evals" / suite, dirs_exist_ok=True)
        command = [sys.executable, "-m", "roadworthy.cli.main", "eval", suite]
        command += ["--project", str(there), "--environment", evals.environment]
        process = await asyncio.create_subprocess_exec(
            *command,
            *options,
            *again,
            "--json",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "ROADWORTHY__DATABASE__URL": evals.database_url},
        )
        try:
            out, err = await process.communicate()
        except BaseException:
            process.terminate()
            await process.wait()
            raise
    if process.returncode:
        raise ConfigurationError(f"The project cannot be evaluated at {commit}: {_told(err)}")
    document: dict[str, Any] = json.loads(out)
    found = await evals.recorded(suite, document["suites"][0]["experiments"][0]["id"])
    return replace(found, plan=replace(found.plan, words=("--on", said, *options)))


@contextmanager
def _tree(root: Path, commit: str) -> Generator[Path]:
    """The project's folder as it was at a commit."""
    prefix = _git(root, "rev-parse", "--show-prefix").stdout.strip()
    with tempfile.TemporaryDirectory(prefix="roadworthy-commit-") as folder:
        tree = Path(folder) / "tree"
        made = _git(root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
        if made.returncode:
            raise ConfigurationError(f"No working tree of {commit} can be made: {made.stderr.strip()}")
        try:
            yield tree / prefix
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - no shell, and no word that could be an option
            ["git", "-C", str(root), *words],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(f"git cannot be run: {error}.") from error


def _told(err: bytes) -> str:
    """The message in what a process said on standard error."""
    for line in reversed(err.decode(errors="replace").splitlines()):
        try:
            return str(json.loads(line)["message"])
        except (ValueError, KeyError, TypeError):
            continue
    return err.decode(errors="replace").strip()[-500:] or "it said nothing."
