"""The same cases, answered by the same function and judged for equality, by other evaluation packages.

Run as: python benchmarks/variants/evals_peers.py VARIANT CASES
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from experiments import questions, serve


async def answer(question: str) -> str:
    return question.rsplit(maxsplit=1)[-1]


async def run_pydantic_evals(cases: int) -> None:
    """Its report is in memory; nothing is on record."""
    from pydantic_evals import Case, Dataset
    from pydantic_evals.evaluators import EqualsExpected

    every = [
        Case(name=f"c{number}", inputs=text, expected_output=queue)
        for number, (text, queue) in enumerate(questions(cases))
    ]
    dataset = Dataset(name="bench", cases=every, evaluators=[EqualsExpected()])

    async def experiment() -> None:
        report = await dataset.evaluate(answer, progress=False, max_concurrency=8)
        passed = sum(all(one.value for one in case.assertions.values()) for case in report.cases)
        assert passed == cases, passed

    await serve(experiment, cases)


async def run_inspect_ai(cases: int) -> None:
    """With its log file."""
    from inspect_ai import Task, eval_async
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import CORRECT, INCORRECT, Score, Target, accuracy, scorer
    from inspect_ai.solver import Generate, TaskState, solver

    @solver
    def ask():
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            del generate
            state.output.completion = await answer(state.input_text)
            return state

        return solve

    @scorer(metrics=[accuracy()])
    def equal():
        async def score(state: TaskState, target: Target) -> Score:
            return Score(value=CORRECT if state.output.completion == target.text else INCORRECT)

        return score

    samples = [
        Sample(input=text, target=queue, id=f"c{number}")
        for number, (text, queue) in enumerate(questions(cases))
    ]
    task = Task(name="bench", dataset=MemoryDataset(samples), solver=ask(), scorer=equal())

    async def experiment() -> None:
        (log,) = await eval_async(task, model="mockllm/model", log_dir="logs", max_samples=8)
        assert log.status == "success", log.status
        assert log.results.scores[0].metrics["accuracy"].value == 1

    await serve(experiment, cases)


async def run_deepeval(cases: int) -> None:
    """Without its cache, whose file is written anew for every case: that would take it minutes."""
    from deepeval.evaluate import AsyncConfig, CacheConfig, DisplayConfig, evaluate
    from deepeval.metrics import BaseMetric
    from deepeval.test_case import LLMTestCase

    class Equal(BaseMetric):
        threshold = 1
        async_mode = True
        error = None

        def measure(self, test_case: LLMTestCase, *_: object, **__: object) -> float:
            self.score = float(test_case.actual_output == test_case.expected_output)
            self.success = self.score == 1
            return self.score

        async def a_measure(self, test_case: LLMTestCase, *_: object, **__: object) -> float:
            return self.measure(test_case)

        def is_successful(self) -> bool:
            return bool(self.success)

        @property
        def __name__(self) -> str:
            return "Equal"

    asked = list(questions(cases))

    def experiment() -> None:
        async def answers() -> list[str]:
            return [await answer(text) for text, _ in asked]

        test_cases = [
            LLMTestCase(input=text, actual_output=said, expected_output=queue)
            for (text, queue), said in zip(asked, asyncio.run(answers()), strict=True)
        ]
        quiet = DisplayConfig(show_indicator=False, print_results=False)
        at_once = AsyncConfig(run_async=True, max_concurrent=8)
        cache = CacheConfig(write_cache=False)
        done = evaluate(test_cases, [Equal()], display_config=quiet, async_config=at_once, cache_config=cache)
        assert all(one.success for one in done.test_results)

    await serve(lambda: asyncio.to_thread(experiment), cases)


VARIANTS = {
    "pydantic_evals": run_pydantic_evals,
    "inspect_ai": run_inspect_ai,
    "deepeval": run_deepeval,
}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["HOME"] = folder
        os.environ["DEEPEVAL_RESULTS_FOLDER"] = str(Path(folder) / "results")
        asyncio.run(VARIANTS[sys.argv[1]](int(sys.argv[2])))
