"""What one whole call costs: rendered, routed, checked, priced, recorded; against the bare client and SDK.

All ask the same simulated provider, a process of its own, for the same structured answer. Each variant is a
process of its own too; in every round each takes its turn, so that a noisy machine hits all alike. The
figures are medians of CPU and wall time per call, one at a time and fifty at once. `httpx2` posts the body
and reads the JSON; `openai` is the SDK; `roadworthy` is `await prompt(...)` on SQLite, telemetry off. At the
end, the CPU time of `import roadworthy`, and of the first use of `App`, beyond that of a bare interpreter.

    python benchmarks/call.py [--quick]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

VARIANTS = ("httpx2", "openai", "roadworthy")
TEXT = "Hello, my parcel T-1009 was to come on Monday and it is Thursday now. " * 6
SYSTEM = "You answer tickets of customers from the policy handbook. Be brief, be kind, promise nothing. " * 4
REPLY = {"outcome": "answer", "message": "Your parcel is on its way and will be with you tomorrow."}
SCHEMA = {
    "type": "object",
    "properties": {"outcome": {"type": "string"}, "message": {"type": "string"}},
    "required": ["outcome", "message"],
    "additionalProperties": False,
}
BODY = {
    "model": "bench",
    "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TEXT}],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "Reply", "schema": SCHEMA, "strict": True},
    },
}
SETTINGS = """
[project]
name = "bench"
[models.main]
provider = "openai-compatible"
model = "bench"
base_url = "{address}"
max_concurrency = 50
[models.main.prices]
input_usd_per_million = 1
output_usd_per_million = 4
[routes.default]
models = ["main"]
"""
PROMPT = f"""---
inputs:
  text: {{type: str}}
---
# system
{SYSTEM}
# user
{{{{ text }}}}
"""

Ask = Callable[[], Awaitable[object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; done within 50 s")
    parser.add_argument("--child", nargs=2, metavar=("VARIANT", "ADDRESS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        asyncio.run(CHILDREN[arguments.child[0]](arguments.child[1]))
        return
    rounds, calls = (10, 50) if arguments.quick else (40, 150)
    figures = measure(rounds, calls)
    bare = import_seconds("pass")
    imports = {
        "import_roadworthy_seconds": round(import_seconds("import roadworthy") - bare, 3),
        "import_roadworthy_app_seconds": round(import_seconds("from roadworthy import App", 3) - bare, 3),
    }
    report(figures, imports)


def measure(rounds: int, calls: int) -> dict[str, dict[str, float]]:
    """Medians for each variant over rounds in which every one takes its turn."""
    with provider() as address:
        children = {name: child(name, address) for name in VARIANTS}
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
        try:
            for _ in range(rounds):
                for name in VARIANTS:
                    taken[name].append(turn(children[name], calls))
        finally:
            for process in children.values():
                process.stdin.close()
                process.wait()
    return {
        name: {key: statistics.median(one[key] for one in many) for key in many[0]}
        for name, many in taken.items()
    }


@contextmanager
def provider() -> Iterator[str]:
    """The simulated provider in a process of its own; its CPU time is nobody's."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps([{"times": None, "reply": REPLY}]))
        command = [sys.executable, "-m", "roadworthy.testing.simulated", "--script", str(script)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            yield f"{server.stdout.readline().strip()}/v1"
        finally:
            server.terminate()
            server.wait()


def child(name: str, address: str) -> subprocess.Popen[str]:
    """A process that makes as many calls as it is told on a line of its input, again and again."""
    command = [sys.executable, __file__, "--child", name, address]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    turn(process, 20)
    return process


def turn(process: subprocess.Popen[str], calls: int) -> dict[str, float]:
    process.stdin.write(f"{calls}\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit("A variant failed; its error is above.")
    return json.loads(line)


async def serve(ask: Ask) -> None:
    """Measure what the other end asks for, until it hangs up."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        calls = int(line)
        figures: dict[str, float] = {}
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(calls):
            await ask()
        figures["cpu_one"] = (time.process_time() - cpu) / calls
        figures["wall_one"] = (time.perf_counter() - wall) / calls
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(max(1, calls // 50)):
            await asyncio.gather(*(ask() for _ in range(50)))
        calls = 50 * max(1, calls // 50)
        figures["cpu_many"] = (time.process_time() - cpu) / calls
        figures["wall_many"] = (time.perf_counter() - wall) / calls
        print(json.dumps(figures), flush=True)


async def run_httpx2(address: str) -> None:
    import httpx2

    async with httpx2.AsyncClient(trust_env=False) as client:

        async def ask() -> object:
            response = await client.post(f"{address}/chat/completions", json=BODY)
            return json.loads(response.json()["choices"][0]["message"]["content"])

        await serve(ask)


async def run_openai(address: str) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:

        async def ask() -> object:
            answer = await client.chat.completions.create(**BODY)
            return json.loads(answer.choices[0].message.content)

        await serve(ask)


async def run_roadworthy(address: str) -> None:
    from typing import Literal

    from pydantic import BaseModel

    from roadworthy import App

    class Reply(BaseModel):
        outcome: Literal["answer", "refuse"]
        message: str

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "roadworthy.toml").write_text(SETTINGS.format(address=address))
        (root / "prompts" / "reply").mkdir(parents=True)
        (root / "prompts" / "reply" / "v1.md").write_text(PROMPT)
        app = App.load(root)
        reply = app.prompt("reply", output=Reply)
        async with app.running(work=False):
            await serve(lambda: reply(text=TEXT))


def import_seconds(statement: str, times: int = 7) -> float:
    """CPU time of an interpreter that runs one statement: the best of several, since noise only adds."""
    taken: list[float] = []
    for _ in range(times):
        before = os.times()
        subprocess.run([sys.executable, "-c", statement], check=True)
        after = os.times()
        children = after.children_user + after.children_system
        taken.append(children - before.children_user - before.children_system)
    return min(taken)


def report(figures: dict[str, dict[str, float]], imports: dict[str, float]) -> None:
    print("microseconds per call")
    print(f"{'':14}{'cpu, 1':>10}{'wall, 1':>10}{'cpu, 50':>10}{'wall, 50':>10}")
    for name in VARIANTS:
        keys = ("cpu_one", "wall_one", "cpu_many", "wall_many")
        print(f"{name:14}" + "".join(f"{figures[name][key] * 1e6:10.0f}" for key in keys))
    ours, raw, sdk = (figures[name] for name in ("roadworthy", "httpx2", "openai"))
    print(
        json.dumps(
            {
                "ratio_to_httpx2": round(ours["cpu_one"] / raw["cpu_one"], 2),
                "ratio_to_openai_sdk": round(ours["cpu_one"] / sdk["cpu_one"], 2),
                "ratio_to_httpx2_50_at_once": round(ours["cpu_many"] / raw["cpu_many"], 2),
                "ratio_to_openai_sdk_50_at_once": round(ours["cpu_many"] / sdk["cpu_many"], 2),
                "cpu_us_per_call": round(ours["cpu_one"] * 1e6),
                "cpu_us_per_call_50_at_once": round(ours["cpu_many"] * 1e6),
                **imports,
            }
        )
    )


CHILDREN = {"httpx2": run_httpx2, "openai": run_openai, "roadworthy": run_roadworthy}

if __name__ == "__main__":
    main()
