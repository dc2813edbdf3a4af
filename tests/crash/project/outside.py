"""What lies outside of the database: a ledger of all that was done, an outbox, and the gates that stop a run.

A gate is a place in a step. A run that is tagged `stop:<step>:<phase>` writes a marker there and stays for as
long as the gates of its process are closed, so that a test can kill the process when all of its runs stand
where it wants.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(os.environ.get("CRASH_FOLDER", "."))
GATED = os.environ.get("CRASH_GATES") == "closed"
_POLL_SECONDS = 0.02


def note(file: str, **entry: object) -> None:
    """Append a line; one write of a few bytes in append mode is never torn."""
    handle = os.open(FOLDER / file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps(entry).encode() + b"\n")
    finally:
        os.close(handle)


def entries(folder: Path, file: str) -> list[dict[str, object]]:
    """The lines of a file so far."""
    path = folder / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def send(key: str, text: str) -> str:
    """The outside world: acts once under a key, and answers a repeat with what it did before."""
    try:
        handle = os.open(
            FOLDER / "outbox" / key.replace("/", "_"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644
        )
    except FileExistsError:
        note("refused.jsonl", key=key)
        return f"sent {text}"
    os.write(handle, text.encode())
    os.close(handle)
    return f"sent {text}"


def stops(tags: Iterable[str], step: str, phase: str) -> bool:
    """Whether a run with these tags stops here."""
    return GATED and f"stop:{step}:{phase}" in tags


async def gate(tags: Iterable[str], step: str, phase: str) -> None:
    """Stay here while the gate is closed."""
    if stops(tags, step, phase):
        _mark(step, phase)
        while not _released():
            await asyncio.sleep(_POLL_SECONDS)


def gate_in_thread(tags: Iterable[str], step: str, phase: str) -> None:
    """The same for a synchronous step."""
    if stops(tags, step, phase):
        _mark(step, phase)
        while not _released():
            time.sleep(_POLL_SECONDS)


def _mark(step: str, phase: str) -> None:
    (FOLDER / "markers" / f"{step}:{phase}").touch()


def _released() -> bool:
    return (FOLDER / "released").exists()
