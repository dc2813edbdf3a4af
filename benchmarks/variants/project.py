"""A project in a folder of its own, for as long as a measurement needs it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roadworthy import App


@contextmanager
def project(settings: str, prompt: str) -> Iterator[App]:
    """An app with these settings and one prompt, `reply`, on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "roadworthy.toml").write_text(settings)
        (root / "prompts" / "reply").mkdir(parents=True)
        (root / "prompts" / "reply" / "v1.md").write_text(prompt)
        yield App.load(root)
