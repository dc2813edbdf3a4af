"""`Evals.run` on a SQLite file: a function that is asked anew, and a prompt whose answers are on tape.

Run as: python benchmarks/variants/evaluations.py VARIANT CASES
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from experiments import questions, serve

from roadworthy import App
from roadworthy.evals import Case, Evals, Variant
from roadworthy.evals.dataset import write

SETTINGS = """
[project]
name = "bench"
[models.rule]
provider = "python"
function = "bench_target:by_rule"
[routes.default]
models = ["rule"]
"""
CODE = """
async def answer(question):
    return {"queue": question.split()[-1]}

def by_rule(request):
    return request.inputs["question"].split()[-1]
"""
PROMPT = "---\ninputs:\n  question: {type: str}\n---\n# user\nWhich queue? {{ question }}\n"
SUITE = """
%s
min_pass = 0.5
[[evaluators]]
kind = "exact"
field = "%s"
"""


@asynccontextmanager
async def project(suite: str, cases: int) -> AsyncIterator[Evals]:
    """The suites of a project of its own, one with a data set of so many cases."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "roadworthy.toml").write_text(SETTINGS)
        (root / "bench_target.py").write_text(CODE)
        (root / "prompts" / "reply").mkdir(parents=True)
        (root / "prompts" / "reply" / "v1.md").write_text(PROMPT)
        (root / "evals" / "reply").mkdir(parents=True)
        (root / "evals" / "reply" / "suite.toml").write_text(suite)
        sys.path.insert(0, folder)
        app = App.load(root)
        app.prompt("reply")
        plain = "function" not in suite
        expected = (lambda queue: queue) if plain else (lambda queue: {"queue": queue})
        write(
            root / "evals" / "reply" / "cases.jsonl",
            (
                Case(f"c{number}", {"question": text}, expected=expected(queue))
                for number, (text, queue) in enumerate(questions(cases))
            ),
        )
        async with app.evaluating() as evals:
            yield evals


async def run_function(cases: int) -> None:
    async with project(SUITE % ('function = "bench_target:answer"', "queue"), cases) as evals:
        await serve(lambda: evals.run("reply", Variant()), cases)


async def run_replay(cases: int) -> None:
    async with project(SUITE % ('prompt = "reply"', ""), cases) as evals:
        done = await evals.run("reply")  # makes the tape
        if done.verdict.share != 1:
            raise SystemExit(f"The recording went wrong: {done.verdict.grounds}")
        await serve(lambda: evals.run("reply", mode="strict"), cases)


VARIANTS = {"roadworthy": run_function, "roadworthy_replay": run_replay}

if __name__ == "__main__":
    asyncio.run(VARIANTS[sys.argv[1]](int(sys.argv[2])))
