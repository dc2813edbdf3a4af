"""`await prompt(...)` on SQLite: with bare settings, with everything on, and answered from the cache.

Run as: python benchmarks/variants/pipelines.py VARIANT ADDRESS COLLECTOR
"""

import asyncio
import itertools
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from asked import SYSTEM, TEXT, serve
from pydantic import BaseModel

BARE = """
[project]
name = "bench"
[models.main]
provider = "openai-compatible"
model = "bench"
base_url = "{address}"
max_concurrency = 50
{limits}
[models.main.prices]
input_usd_per_million = 1
output_usd_per_million = 4
[routes.default]
models = ["main"]
{cache}
"""
EVERYTHING = """
[budgets.daily]
scope = "environment"
per_day_usd = 1000
[budgets.run]
scope = "run"
usd = 10
[budgets.call]
scope = "call"
usd = 1
[throttles.everybody]
scope = "environment"
requests_per_minute = 1000000
burst = 1000
[telemetry]
exporter = "otlp"
endpoint = "{collector}"
"""
LIMITS = "requests_per_minute = 100_000_000\ntokens_per_minute = 100_000_000"
CACHE = "cache = { ttl_seconds = 3600 }"
PROMPT = f"""---
inputs:
  text: {{type: str}}
---
# system
{SYSTEM}
# user
{{{{ text }}}}
"""


class Reply(BaseModel):
    """What is asked for."""

    outcome: Literal["answer", "refuse"]
    message: str


@asynccontextmanager
async def project(settings: str) -> AsyncIterator[tuple[Callable[..., Any], Callable[[], Any]]]:
    """The prompt of a project of its own with these settings, and a way to have done what it puts off."""
    from roadworthy import App

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "roadworthy.toml").write_text(settings)
        (root / "prompts" / "reply").mkdir(parents=True)
        (root / "prompts" / "reply" / "v1.md").write_text(PROMPT)
        app = App.load(root)
        reply = app.prompt("reply", output=Reply)

        async def settle() -> None:
            await app.pipeline.close()  # stores what waits to be stored
            await asyncio.to_thread(app.telemetry.flush)

        async with app.running(work=False):
            yield reply, settle


async def run_bare(address: str, _: str) -> None:
    async with project(BARE.format(address=address, limits="", cache="")) as (reply, settle):
        await serve(lambda: reply(text=TEXT), settle)


async def run_full(address: str, collector: str) -> None:
    numbers = itertools.count()
    async with project(everything(address, collector)) as (reply, settle):
        await serve(lambda: reply(text=f"{next(numbers)}. {TEXT}"), settle)


async def run_hit(address: str, collector: str) -> None:
    async with project(everything(address, collector)) as (reply, settle):
        await serve(lambda: reply(text=TEXT), settle)


def everything(address: str, collector: str) -> str:
    bare = BARE.format(address=address, limits=LIMITS, cache=CACHE)
    return bare + EVERYTHING.format(collector=collector)


VARIANTS = {"roadworthy": run_bare, "roadworthy_full": run_full, "roadworthy_hit": run_hit}

if __name__ == "__main__":
    asyncio.run(VARIANTS[sys.argv[1]](sys.argv[2], sys.argv[3]))
