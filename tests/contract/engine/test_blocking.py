"""Nothing that a run does blocks the event loop."""

import asyncio
import time

import pytest
from blockbuster import BlockBuster, BlockingError

PROMPT = "---\ninputs:\n  text: str\n---\n# user\n{{ text }}\n"


async def test_runs_steps_calls_and_waits_leave_the_event_loop_free(make_app, tmp_path) -> None:
    """Blocking on the loop raises while runs take steps, fan out, call a model, wait and are looked at."""
    (tmp_path / "prompts" / "echo").mkdir(parents=True)
    (tmp_path / "prompts" / "echo" / "v1.md").write_text(PROMPT)
    app = make_app(
        models__near__provider="python",
        models__near__function="nowhere:echo",
        routes__default__models=["near"],
    )
    app._functions["nowhere:echo"] = lambda request: request.inputs["text"].upper()
    echo = app.prompt("echo")

    @app.step
    async def double(number: int) -> int:
        return 2 * number

    @app.step
    def half(number: int) -> int:
        return number // 2

    @app.workflow
    async def child(number: int) -> int:
        return await half(await double(number))

    @app.workflow
    async def everything(number: int) -> str:
        numbers = await app.map(child, [number, number + 1])
        numbers += await app.map(double, numbers)
        said = await app.wait_for_signal("go")
        answer = await echo(text=f"{said} {sum(numbers)}")
        return answer.value

    async with app.running():
        await app.models.target("near").prepare()
        guard = BlockBuster()
        guard.activate()
        try:
            with pytest.raises(BlockingError):
                time.sleep(0.001)  # noqa: ASYNC251 - shows that the guard is awake
            handle = await app.start(everything, 1)
            await asyncio.sleep(0)
            await app.runs.signal(handle.id, "go", "sum")
            assert await handle.result(timeout_seconds=20) == "SUM 9"
            await app.runs.show(handle.id)
        finally:
            guard.deactivate()
