"""What a month of a million calls costs, and what ten minutes without the first provider cost on top.

The month: 2,000 tokens of stable prefix, 500 fresh, 250 written, a sample of it asked through the whole
pipeline, of the simulated provider, at public prices of a flagship and a small model (`variants/month.py`).
The rows are assumptions: how much may be routed to the small model is what a quality gate finds out, not what
one may choose. Each bill is the cost report's, and must be what the provider's own journal comes to.

The outage: real traffic (Azure's trace of conversations, 2023) goes on while the first of two providers is
down (`variants/outage.py`). Time is compressed and the trace thinned; figures are in the trace's time.

    python benchmarks/cost.py [--quick] [--data DIR]

DIR holds azure_conv.csv.gz, or a folder traffic with it; left out, it is what ROADWORTHY_BENCH_DATA names.
Without the trace there is no outage.
"""

import argparse
import asyncio
import json
import os
from collections import Counter
from pathlib import Path

from variants.assumed import OTHER_PAIRS, PAIR, Month, worked_out
from variants.month import Bill, run
from variants.outage import DEADLINE_SECONDS, Fared, Outcome, replay
from variants.traffic import PHASES, Pace, read

MILLION = 1_000_000
SHORTER = 1_024
"""Tokens: the shortest prefix that this provider caches."""
ALL_FLAGSHIP = Month("all flagship", prefix=2_000)
OPTIMISTIC = Month("optimistic", prefix=2_000, hits=95, routed=70, batched=30)
ALL_FLAGSHIP_SHORTER = Month("all flagship", prefix=SHORTER)
PESSIMISTIC = Month("pessimistic", prefix=SHORTER, hits=60, routed=25, batched=15)
ROWS = ((OPTIMISTIC, ALL_FLAGSHIP), (PESSIMISTIC, ALL_FLAGSHIP_SHORTER))
TRACE = "azure_conv.csv.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller samples; done within 50 s")
    parser.add_argument("--data", type=Path, help="the folder with the trace")
    arguments = parser.parse_args()
    count, same, pace = (100, 20, Pace(50, 16, 60)) if arguments.quick else (2_000, 500, Pace(10, 6, 600))
    summary = asyncio.run(month(count, same))
    trace = find(arguments.data or Path(os.environ.get("ROADWORTHY_BENCH_DATA", "no folder")))
    summary |= asyncio.run(outage(trace, pace))
    sample_calls = summary.pop("month_calls") + summary.pop("outage_calls")
    print(json.dumps({**summary, "sample_calls": sample_calls}))


def find(folder: Path) -> Path | None:
    """The trace, if it is there."""
    return next((one for one in (folder / TRACE, folder / "traffic" / TRACE) if one.is_file()), None)


async def month(count: int, same: int) -> dict[str, float]:
    """Run and print the rows: `count` calls for each, `same` where all calls are alike."""
    print(f"a month of a million calls with {PAIR[0]} and {PAIR[1]}, scaled from so many calls")
    print("prefix, cached, routed, batch are assumed; how much may be routed, a quality gate has to find out")
    print(f"{'':14}{'prefix':>8}{'cached':>8}{'routed':>8}{'batch':>8}{'calls':>8}{'bill':>12}", end="")
    print(f"{'journal':>12}{'saved':>9}{'by prefix':>12}{'by batch':>11}")
    saved: list[float] = []
    bills: list[Bill] = []
    for assumed, alike in ROWS:
        base, bill = await run(alike, same), await run(assumed, count)
        show(base, "")
        saved.append(100 * (1 - bill.usd(MILLION) / base.usd(MILLION)))
        show(bill, f"{saved[-1]:.1f}%")
        bills += [base, bill]
    print("batch: runs in the lane provider-batch; journal: what the provider counted, at public prices")
    print("the same rows worked out from the price list alone:")
    for provider, flagship, small in (("openai", *PAIR), *OTHER_PAIRS):
        shares = (
            1 - worked_out(assumed, provider, flagship, small) / worked_out(alike, provider, flagship, small)
            for assumed, alike in ROWS
        )
        print(f"    {flagship + ' and ' + small:58}" + "".join(f"{one:>9.1%}" for one in shares))
    return {
        "saved_percent_optimistic": round(saved[0], 2),
        "saved_percent_pessimistic": round(saved[1], 2),
        "bill_matches_provider_journal": all(one.recorded == one.journal for one in bills),
        "month_calls": sum(one.calls for one in bills),
    }


def show(bill: Bill, saved: str) -> None:
    its, scale = bill.month, MILLION / bill.calls / 1e6
    shares = "".join(f"{share:>7}%" for share in (its.hits, its.routed, its.batched))
    money = "".join(f"{f'${micro_usd * scale:,.2f}':>12}" for micro_usd in (bill.recorded, bill.journal))
    parts = "".join(f"{f'${part * scale:,.0f}':>11}" for part in (bill.prefix_saved, bill.batch_saved))
    print(f"{its.name:14}{its.prefix:>8,}{shares}{bill.calls:>8,}{money}{saved:>9} {parts}")


async def outage(trace: Path | None, pace: Pace) -> dict[str, float | None]:
    """Replay and print; nothing but None where there is no trace."""
    if trace is None:
        print(f"\nno outage: {TRACE} is not there; give --data DIR or set ROADWORTHY_BENCH_DATA")
        names = ("answered_percent", "p99_seconds", "retry_percent", "extra_cost_percent")
        return {**dict.fromkeys((f"outage_{name}" for name in names), None), "outage_calls": 0}
    requests = read(trace, pace)
    print(f"\n{pace.seconds / 60:.0f} minutes of real traffic, the first provider down for ten of them")
    print(f"one request in {pace.one_in} is made ({len(requests):,}), {pace.times} times as fast;", end="")
    print(f" deadline {DEADLINE_SECONDS:.0f} s; times as in the trace")
    outcome = await replay(requests, pace)
    print(
        f"{'':9}{'calls':>7}{'in time':>9}{'p50':>8}{'p99':>8}{'longest':>9}{'cost':>9}{'calm':>9}  by rung"
    )
    for phase in PHASES:
        print_phase(outcome, phase)
    made = sum(outcome.reasons.values())
    retries = 100 * outcome.reasons.get("retry", 0) / len(seconds_of(outcome.fared, "during"))
    print(
        f"{made:,} requests to models: " + ", ".join(f"{n:,} {why}" for why, n in outcome.reasons.items()),
        end="",
    )
    print(f"; all retries are {retries:.1f}% of the calls while it lasted")
    for error, times in Counter(one.error for one in outcome.fared if one.error).most_common(5):
        print(f"not answered, {times} times: {error}")
    assumed = outcome.figures.assumed
    print(
        f"{assumed} without an answer may be billed: ${outcome.figures.assumed_micro_usd / 1e6:.2f} assumed"
    )
    print(f"99% of the calls were made at most {outcome.lag_seconds:.1f} s late, because the machine is busy")
    print("breakers, seconds after the outage began: ", end="")
    print("; ".join(f"{at:.0f} {what}" for at, what in outcome.events))
    extra, second = (
        100 * (cost["during"] / outcome.calm_cost["during"] - 1)
        for cost in (outcome.cost, outcome.second_cost)
    )
    print(f"extra cost while it lasted: {extra:.1f}%; if the second had simply answered all: {second:.1f}%")
    in_time = sum(one.in_time for one in outcome.fared)
    return {
        "outage_answered_percent": round(100 * in_time / len(requests), 3),
        "outage_p99_seconds": round(quantile(seconds_of(outcome.fared, "during"), 0.99), 2),
        "outage_retry_percent": round(retries, 2),
        "outage_extra_cost_percent": round(extra, 1),
        "outage_calls": len(requests),
    }


def print_phase(outcome: Outcome, phase: str) -> None:
    its, seconds = [one for one in outcome.fared if one.phase == phase], seconds_of(outcome.fared, phase)
    in_time = sum(one.in_time for one in its) / len(its)
    figures = "".join(f"{f'{one:.1f} s':>8}" for one in (quantile(seconds, 0.5), quantile(seconds, 0.99)))
    money = "".join(f"{f'${one[phase] / 1e6:.2f}':>9}" for one in (outcome.cost, outcome.calm_cost))
    rungs = ", ".join(
        f"{rung or 'none'} {n / len(its):.1%}" for rung, n in Counter(i.rung for i in its).items()
    )
    print(f"{phase:9}{len(its):>7,}{in_time:>9.1%}{figures}{f'{seconds[-1]:.1f} s':>9}{money}  {rungs}")


def seconds_of(fared: list[Fared], phase: str) -> list[float]:
    return sorted(one.seconds for one in fared if one.phase == phase)


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    main()
