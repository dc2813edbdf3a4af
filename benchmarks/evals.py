"""Our evaluations against pydantic-evals, inspect-ai and deepeval: the same 1,000 cases, in one run.

Every case is a text; a function says its last word, and that is held against what is expected. Each package
runs as a process of its own (`variants/`), eight cases at a time; one turn is one experiment over all cases,
with all that belongs to it. Ours and a peer take their turns one after the other, so that a noisy machine
hits both alike; a ratio is the median of the pairs' ratios of cases per CPU second (above 1, ours is ahead).

    roadworthy       the suite read from its files, every result in a SQLite file, the verdict
    replay           the same for a prompt whose answers are on tape: nothing is asked
    pydantic_evals   `Dataset.evaluate`: its report is in memory, nothing is on record
    inspect_ai       `eval_async` with a mock model and its log file
    deepeval         `evaluate` without its cache, whose file is written anew for every case

The peers are in an environment of their own, kept in the user's cache and made at the first run, or
beforehand by `--setup`; without it, their ratios are null.

    python benchmarks/evals.py [--quick | --setup]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from variants.environment import BENCHMARKS, peers_python

VARIANTS = BENCHMARKS / "variants"
CASES = 1000
TURNS = {"pydantic_evals": (7, 21), "deepeval": (1, 3), "inspect_ai": (1, 3)}
"""Of each peer, with `--quick` and without: the slow ones take seconds for one."""
QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
    "DO_NOT_TRACK": "1",
    "INSPECT_DISPLAY": "none",
    "NO_PROXY": "*",
}

Turn = dict[str, float]
"""CPU and wall seconds for one case."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns; done within 50 s, set-up apart")
    parser.add_argument("--setup", action="store_true", help="make what is kept, and measure nothing")
    options = parser.parse_args()
    peers = installed_peers()
    if options.setup:
        return
    turns = {name: quick if options.quick else full for name, (quick, full) in TURNS.items()}
    report(*measure(peers, turns))


def installed_peers() -> Path | None:
    """The interpreter that has the peers; None, and a word about it, where they cannot be had."""
    try:
        return peers_python(BENCHMARKS / "evals_peers.txt")
    except (OSError, subprocess.SubprocessError) as error:
        print(f"The peers could not be installed, so their figures are left out ({type(error).__name__}).")
        return None


def measure(
    peers: Path | None, turns: dict[str, int]
) -> tuple[dict[str, list[Turn]], dict[str, list[tuple[Turn, Turn]]]]:
    """The turns of ours, and the pairs of ours and each peer's."""
    ours: dict[str, list[Turn]] = {"roadworthy": [], "roadworthy_replay": []}
    pairs: dict[str, list[tuple[Turn, Turn]]] = {}
    with ExitStack() as stack:
        script = str(VARIANTS / "evaluations.py")
        children = {name: stack.enter_context(child([sys.executable, script, name])) for name in ours}
        for name, one in children.items():
            for _ in range(max(turns.values()) + 2):
                ours[name].append(turn(one))
            del ours[name][:2]  # warming up
        for peer, times in turns.items() if peers is not None else ():
            with child([str(peers), str(VARIANTS / "evals_peers.py"), peer]) as other:
                for _ in range(times):
                    mine = turn(children["roadworthy"])
                    ours["roadworthy"].append(mine)
                    pairs.setdefault(peer, []).append((mine, turn(other)))
    return ours, pairs


@contextmanager
def child(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that runs an experiment whenever it is told to."""
    pipe = subprocess.PIPE
    env = {**os.environ, **QUIET}
    process = subprocess.Popen([*command, str(CASES)], stdin=pipe, stdout=pipe, text=True, env=env)
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def turn(process: subprocess.Popen[str]) -> Turn:
    process.stdin.write("\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"A variant failed; its error is above: {process.args[2]}.")
    return json.loads(line)


def report(ours: dict[str, list[Turn]], pairs: dict[str, list[tuple[Turn, Turn]]]) -> None:
    rows = ours | {peer: [theirs for _, theirs in its] for peer, its in pairs.items()}
    print(f"{'cases in a second':20}{'of CPU':>12}{'of wall':>12}{'turns':>8}")
    rates = {name: {kind: rate(its, kind) for kind in ("cpu", "wall")} for name, its in rows.items()}
    for name, one in rates.items():
        print(f"{name:20}{one['cpu']:12,.0f}{one['wall']:12,.0f}{len(rows[name]):8}")

    def ratio(peer: str) -> float | None:
        found = [theirs["cpu"] / mine["cpu"] for mine, theirs in pairs.get(peer, ())]
        return round(statistics.median(found), 2) if found else None

    print(
        json.dumps(
            {
                "roadworthy_cases_per_cpu_second": rates["roadworthy"]["cpu"],
                "roadworthy_replays_per_second": rates["roadworthy_replay"]["wall"],
                "roadworthy_replays_per_cpu_second": rates["roadworthy_replay"]["cpu"],
                **{f"ratio_to_{peer}": ratio(peer) for peer in TURNS},
            }
        )
    )


def rate(turns: list[Turn], kind: str) -> int:
    """Cases in a second, as the median of the turns."""
    return round(1 / statistics.median(one[kind] for one in turns))


if __name__ == "__main__":
    main()
