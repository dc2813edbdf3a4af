"""A project with a suite, on either database, whose model is a function that counts how often it is asked."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from roadworthy import App
from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.evals import Evals
from roadworthy.models import Request, Response
from roadworthy.records import Usage
from roadworthy.testing.stand_in import StandIn, asking

WORDS = {"parcel": "delivery", "refund": "billing", "invoice": "billing"}

SETTINGS = """
[project]
name = "shop"
[database]
url = "{url}"
[models.rule]
provider = "simulated"
model = "rule-1"
max_tokens = 5
prices = {{ input_usd_per_million = 100, output_usd_per_million = 1000 }}
[models.other]
provider = "python"
function = "model:other"
[routes.default]
models = ["rule"]
[routes.second]
models = ["other"]
"""

PROMPT = """---
inputs:
  text: {type: str, max_chars: 2000}
---
# user
Sort this: {{ text }}
"""

SUITE = """
prompt = "sort-message"
min_pass = 0.6
[[evaluators]]
kind = "exact"
field = "queue"
"""


class Sorted(BaseModel):
    """What the model says."""

    queue: Literal["billing", "delivery", "other"]


@dataclass
class Desk:
    """The project, and what its model was asked."""

    root: Path
    asked: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    answer: Callable[[str], Any] | None = None
    apps: list[App] = field(default_factory=list)

    def suite(self, name: str, text: str, cases: Sequence[Mapping[str, Any]]) -> Path:
        """Write a suite."""
        folder = self.root / "evals" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "suite.toml").write_text(text)
        self.cases(name, cases)
        return folder

    def cases(self, name: str, cases: Sequence[Mapping[str, Any]]) -> None:
        """Write its data set."""
        lines = "".join(json.dumps(one) + "\n" for one in cases)
        (self.root / "evals" / name / "cases.jsonl").write_text(lines)

    def prompt(self, label: str, text: str = PROMPT) -> None:
        """Write a version of the prompt."""
        folder = self.root / "prompts" / "sort-message"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{label}.md").write_text(text)

    def app(self) -> App:
        """The project, loaded anew."""
        app = App.load(self.root)
        app._functions.update({"model:other": lambda _: {"queue": "other"}})
        app.sort = app.prompt("sort-message", output=Sorted)  # type: ignore[attr-defined]
        return app

    @asynccontextmanager
    async def evals(self) -> AsyncIterator[Evals]:
        """Its suites."""
        app = self.app()
        with asking(app, {"rule": StandIn("rule", app.settings, self)}):
            async with app.evaluating() as evals:
                yield evals

    async def close(self) -> None:
        """Nothing to close."""

    async def request(self, request: Request) -> Response:
        """Answer as the model."""
        text = str((request.inputs or {})["text"])
        self.asked.append(text)
        self.sent.append(request.messages[-1].text)
        try:
            said = self.answer(text) if self.answer is not None else None
        except ZeroDivisionError:
            raise ProviderError("It is down.", kind=ErrorKind.UNAVAILABLE) from None
        said = said or {"queue": next((queue for word, queue in WORDS.items() if word in text), "other")}
        return Response(json.dumps(said), Usage(10, 5), "rule", "stop", None, None, None)


def case(case_id: str, text: str, queue: str | None, *tags: str) -> dict[str, Any]:
    """A case."""
    expected = {} if queue is None else {"expected": {"queue": queue}}
    return {"id": case_id, "inputs": {"text": text}, "tags": list(tags), **expected}


CASES = [
    case("a", "Where is my parcel?", "delivery", "common"),
    case("b", "I want a refund", "billing", "common", "high-risk"),
    case("c", "What is the weather?", "other", "edge"),
    case("d", "I was billed twice", "billing", "high-risk"),
]


@pytest.fixture
def desk(tmp_path: Path, fresh_database_url: str) -> Desk:
    """A project with one prompt and one suite of four cases, three of which pass."""
    (tmp_path / "roadworthy.toml").write_text(SETTINGS.format(url=fresh_database_url))
    made = Desk(tmp_path)
    made.prompt("v1")
    made.suite("sort-message", SUITE, CASES)
    return made
