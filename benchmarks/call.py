"""What one whole call costs, against a bare HTTP client, an SDK, and litellm with and without its router.

All ask the same simulated provider, a process of its own, for the same structured answer. Each variant
(`variants/`) is a process of its own too; in every round each takes its turn, so that a noisy machine hits
all alike. The figures are medians of CPU and wall time per call, one at a time and (in every third round)
fifty at once; a ratio is the median of the rounds' ratios.

    roadworthy        `await prompt(...)` on SQLite: rendered, routed, checked, priced, recorded
    roadworthy_full   also a budget, a cache that misses, breaker, rate limits, throttle, exported spans
    roadworthy_hit    the same, answered from the cache
    litellm           `acompletion`; `litellm_router` is `Router.acompletion`

litellm is in an environment of its own, made at the first run (that time comes on top) and kept in the user's
cache; without it, its ratios are null. At the end, the CPU time of `import roadworthy`, and of the first use
of `App`, beyond that of a bare interpreter.

    python benchmarks/call.py [--quick]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from variants.asked import AT_ONCE, REPLY
from variants.environment import peers_python

VARIANTS = Path(__file__).resolve().parent / "variants"
OTHERS, PEERS = ("httpx2", "openai"), ("litellm", "litellm_router")
OURS = ("roadworthy", "roadworthy_full", "roadworthy_hit")
WARM_UP, LEAST_ROUNDS, ROUNDS_FOR_AT_ONCE = 20, 5, 3
SHORT = {"roadworthy_hit": 10}
"""So many times more calls in a turn, where one takes too little time to be measured."""
COLUMNS = ("cpu_one", "wall_one", "cpu_many", "wall_many")

Rounds = list[dict[str, float]]
"""For one variant, the seconds for a call in each turn that it took."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; done within 50 s")
    seconds, calls = (34, 50) if parser.parse_args().quick else (200, 100)
    peers = installed_peers()
    measured = measure(peers, time.monotonic() + seconds, calls)
    bare = import_seconds("pass", 7)
    imports = {
        "import_roadworthy_seconds": round(import_seconds("import roadworthy", 7) - bare, 3),
        "import_roadworthy_app_seconds": round(import_seconds("from roadworthy import App", 3) - bare, 3),
    }
    report(measured, imports)


def installed_peers() -> Path | None:
    """The interpreter that has the peers; None, and a word about it, where they cannot be had."""
    try:
        return peers_python()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"litellm could not be installed, so its figures are left out ({type(error).__name__}).")
        return None


def measure(peers: Path | None, until: float, calls: int) -> dict[str, Rounds]:
    """As many rounds as fit into the time, but at least a few; in each, every variant takes its turn."""
    with ExitStack() as stack:
        address, collector = stack.enter_context(provider()), stack.enter_context(spans_collector())
        clients, pipelines = str(VARIANTS / "clients.py"), str(VARIANTS / "pipelines.py")
        commands = {name: [sys.executable, clients, name, address] for name in OTHERS}
        if peers is not None:
            commands |= {name: [str(peers), clients, name, address] for name in PEERS}
        commands |= {name: [sys.executable, pipelines, name, address, collector] for name in OURS}
        variants = {name: Variant(stack.enter_context(child(command))) for name, command in commands.items()}
        for variant in variants.values():
            variant.ask(WARM_UP)
        for variant in variants.values():
            variant.hear()
        done = 0
        while done < LEAST_ROUNDS or time.monotonic() < until:
            for name, variant in variants.items():
                variant.turn(calls * SHORT.get(name, 1))
            if done % ROUNDS_FOR_AT_ONCE == 0:
                for variant in variants.values():
                    variant.turn(AT_ONCE, at_once=True)
            done += 1
        for variant in variants.values():
            variant.process.stdin.close()  # all at once: each takes a moment to leave
    return {name: variant.rounds for name, variant in variants.items()}


class Variant:
    """A process that makes as many calls as it is told, again and again."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.rounds: Rounds = []

    def turn(self, calls: int, *, at_once: bool = False) -> None:
        """Have so many calls made, and keep the figures."""
        self.ask(calls, at_once=at_once)
        kind = "many" if at_once else "one"
        self.rounds.append({f"{key}_{kind}": value for key, value in self.hear().items()})

    def ask(self, calls: int, *, at_once: bool = False) -> None:
        self.process.stdin.write(f"{json.dumps([calls, at_once])}\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, float]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"A variant failed; its error is above: {self.process.args[2]}.")
        return json.loads(line)


@contextmanager
def provider() -> Iterator[str]:
    """The simulated provider in a process of its own; its CPU time is nobody's."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps([{"times": None, "reply": REPLY}]))
        command = [sys.executable, "-m", "roadworthy.testing.simulated", "--script", str(script)]
        with server(command) as address:
            yield f"{address}/v1"


@contextmanager
def spans_collector() -> Iterator[str]:
    """Where the spans go."""
    with server([sys.executable, str(VARIANTS / "collector.py")]) as address:
        yield address


@contextmanager
def server(command: list[str]) -> Iterator[str]:
    """A process that prints its address and serves until the end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def child(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that makes as many calls as it is told, again and again."""
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **quiet}
    )
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def taken(rounds: Rounds, key: str) -> list[float]:
    return [one[key] for one in rounds if key in one]


def import_seconds(statement: str, times: int) -> float:
    """CPU time of an interpreter that runs one statement: the best of several, since noise only adds."""
    taken: list[float] = []
    for _ in range(times):
        before = os.times()
        subprocess.run([sys.executable, "-c", statement], check=True)
        after = os.times()
        children = after.children_user + after.children_system
        taken.append(children - before.children_user - before.children_system)
    return min(taken)


def report(measured: dict[str, Rounds], imports: dict[str, float]) -> None:
    print("microseconds per call")
    print(f"{'':16}{'cpu, 1':>10}{'wall, 1':>10}{f'cpu, {AT_ONCE}':>10}{f'wall, {AT_ONCE}':>10}")
    figures = {
        name: {key: statistics.median(taken(rounds, key)) for key in COLUMNS}
        for name, rounds in measured.items()
    }
    for name, row in figures.items():
        print(f"{name:16}" + "".join(f"{row[key] * 1e6:10.0f}" for key in COLUMNS))
    bare, full, hit = (figures[name] for name in OURS)

    def ratio(ours: str, peer: str, key: str = "cpu_one") -> float | None:
        if peer not in measured:
            return None
        pairs = zip(taken(measured[ours], key), taken(measured[peer], key), strict=True)
        return round(statistics.median(one / other for one, other in pairs), 2)

    print(
        json.dumps(
            {
                "ratio_to_httpx2": ratio("roadworthy", "httpx2"),
                "ratio_to_openai_sdk": ratio("roadworthy", "openai"),
                "ratio_to_litellm": ratio("roadworthy_full", "litellm"),
                "ratio_to_litellm_router": ratio("roadworthy_full", "litellm_router"),
                "ratio_to_httpx2_50_at_once": ratio("roadworthy", "httpx2", "cpu_many"),
                "ratio_to_openai_sdk_50_at_once": ratio("roadworthy", "openai", "cpu_many"),
                "ratio_to_litellm_50_at_once": ratio("roadworthy_full", "litellm", "cpu_many"),
                "cache_hit_ms": round(hit["wall_one"] * 1e3, 3),
                "cache_hit_cpu_ms": round(hit["cpu_one"] * 1e3, 3),
                "cpu_us_per_call": round(bare["cpu_one"] * 1e6),
                "cpu_us_per_call_full": round(full["cpu_one"] * 1e6),
                "cpu_us_per_call_50_at_once": round(bare["cpu_many"] * 1e6),
                **imports,
            }
        )
    )


if __name__ == "__main__":
    main()
