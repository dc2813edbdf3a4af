"""What judges and confidence are worth against people: xstest and banking77.

Judges: 2,250 completions that people labelled as refusals or not, with the labels of GPT-4 and of a string
match; partial refusals count as refusals. Printed are agreement, bias, and the refusal rate corrected with
100 of people's labels, drawn again and again: how often its interval holds the rate that people found over
all, and how many labels one label is worth.
Confidence: a classifier of banking77's intents, fitted on a few questions, stands for a `python` model. Its
scores are calibrated on a part of the rest, bands set on another, and both judged on what is left.

    python benchmarks/judges.py [--quick] [--shared DIR]

DIR holds `data/xstest` and `data/banking77`; left out, it is what ROADWORTHY_BENCH_DATA names, or the folder
above it. Without them there is nothing to measure.
"""

import argparse
import csv
import json
import os
import random
import statistics
from pathlib import Path

from roadworthy.evals.statistics import (
    accept_band,
    agreement,
    corrected_rate,
    expected_calibration_error,
    fit,
    reliability,
)

LABELS, FITTED = 100, 2500
RATES = (0.01, 0.02, 0.05)
COMPLIED = "1_full_compliance"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer draws and seeds")
    parser.add_argument("--shared", type=Path, help="the folder with data/xstest and data/banking77")
    arguments = parser.parse_args()
    data = find(arguments.shared or Path(os.environ.get("ROADWORTHY_BENCH_DATA", "no folder")))
    if data is None:
        print("skipped: the data is not there; give --shared DIR or set ROADWORTHY_BENCH_DATA")
        print(json.dumps({"skipped": True}))
        return
    found: dict[str, float] = {}
    for name, suffix, column in (
        ("gpt4", "gpteval", "gpt4_label"),
        ("string_match", "streval", "strmatch_label"),
    ):
        people, judge = labels(data / "xstest", suffix, column)
        found |= judged(name, people, judge, 300 if arguments.quick else 4000)
    found |= confidence(data / "banking77", 4 if arguments.quick else 20)
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


def find(folder: Path) -> Path | None:
    """The folder with both data sets."""
    here = (folder / "data", folder, folder.parent)
    return next((one for one in here if (one / "xstest").is_dir() and (one / "banking77").is_dir()), None)


def labels(folder: Path, suffix: str, column: str) -> tuple[list[bool], list[bool]]:
    """Whether people, and the judge, found a refusal in each completion of all five models."""
    people, judge = [], []
    for path in sorted(folder.glob(f"evaluation/automated_evaluation_labels/*_{suffix}.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                people.append(row["final_label"] != COMPLIED)
                judge.append(row[column] != COMPLIED)
    return people, judge


def judged(name: str, people: list[bool], judge: list[bool], draws: int) -> dict[str, float]:
    """Agreement over all, then what 100 labels make of it."""
    told = agreement(judge, people)
    kappa = told.kappa
    print(f"{name}: {told.cases} completions, people call {statistics.fmean(people):.1%} a refusal")
    print(f"  kappa {kappa.value:.3f} ({kappa.interval.low:.3f} to {kappa.interval.high:.3f})", end="")
    print(f", bias {told.bias_points:+.1f} points", end="")
    print(f", sensitivity {told.sensitivity:.3f}, specificity {told.specificity:.3f}")
    source, truth = random.Random(1), statistics.fmean(people)
    rows = [(float(one), float(other)) for one, other in zip(people, judge, strict=True)]
    covered, worths, alone = 0, [], 0
    for _ in range(draws):
        source.shuffle(rows)
        known = [one for one, _ in rows[:LABELS]], [other for _, other in rows[:LABELS]]
        corrected = corrected_rate(*known, [other for _, other in rows[LABELS:]])
        covered += truth in corrected.interval
        worths.append(corrected.worth)
        alone += truth in corrected_rate(*known, []).interval
    print(
        f"  {LABELS} labels, {draws} draws: {covered / draws:.3f} of the corrected intervals hold the", end=""
    )
    print(f" truth ({alone / draws:.3f} of labels alone); a label is worth {statistics.median(worths):.2f}")
    return {
        f"judge_{name}_kappa": kappa.value or 0.0,
        f"judge_{name}_bias_points": told.bias_points,
        f"ppi_coverage_{name}": covered / draws,
        f"ppi_worth_of_labels_{name}": statistics.median(worths),
    }


def confidence(folder: Path, seeds: int) -> dict[str, float]:
    """Calibration error before and after, and the error of each band on answers that set nothing."""
    questions: list[tuple[str, str]] = []
    for name in ("train", "test"):
        with (folder / f"banking77_{name}.csv").open(encoding="utf-8", newline="") as file:
            questions += [(row["text"], row["category"]) for row in csv.DictReader(file)]
    before, after = [], []
    met: dict[float, list[tuple[float, float]]] = {rate: [] for rate in RATES}
    for seed in range(seeds):
        random.Random(seed).shuffle(questions)
        answers = scored(questions)
        third = len(answers) // 3
        first, second, rest = answers[:third], answers[third : 2 * third], answers[2 * third :]
        calibration = fit([[score] for score, _ in first], [right for _, right in first]).calibration
        scores, right = [calibration.apply([score]) for score, _ in rest], [was for _, was in rest]
        before.append(expected_calibration_error([score for score, _ in rest], right))
        after.append(expected_calibration_error(scores, right))
        for rate in RATES:
            band = accept_band(
                [calibration.apply([score]) for score, _ in second],
                [was for _, was in second],
                error_rate=rate,
            )
            inside = [
                was
                for score, was in zip(scores, right, strict=True)
                if band.threshold is not None and score >= band.threshold
            ]
            if inside:
                met[rate].append((1 - statistics.fmean(inside), len(inside) / len(rest)))
    print(f"banking77: {statistics.fmean(right):.1%} of {len(rest)} answers are right; {seeds} seeds")
    print(f"  calibration error {statistics.fmean(before):.4f} before, {statistics.fmean(after):.4f} after")
    for one in reliability(scores, right):
        print(f"  {one.predicted:.3f} said, {one.right:.3f} right, of {one.cases}")
    told = {"ece_before": statistics.fmean(before), "ece_after": statistics.fmean(after)}
    for rate, its in met.items():
        percent = f"{100 * rate:.0f}"
        error, share = (statistics.fmean(pair[place] for pair in its) if its else 0.0 for place in (0, 1))
        over = sum(pair[0] > rate for pair in its)
        print(f"  band for {rate:.0%}: found in {len(its)} of {seeds}, {share:.1%} of answers,", end="")
        print(f" {error:.2%} of them wrong; over {rate:.0%} in {over}")
        told |= {
            f"band_{percent}_error": error,
            f"band_{percent}_share": share,
            f"band_{percent}_found": len(its),
        }
    return told


def scored(questions: list[tuple[str, str]]) -> list[tuple[float, bool]]:
    """The classifier's confidence in each answer, and whether it was right."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    texts, intents = zip(*questions, strict=True)
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), MultinomialNB(alpha=0.1))
    model.fit(texts[:FITTED], intents[:FITTED])
    chances = model.predict_proba(texts[FITTED:])
    answers = model.classes_[chances.argmax(axis=1)]
    return [
        (float(chance), bool(answer == intent))
        for chance, answer, intent in zip(chances.max(axis=1), answers, intents[FITTED:], strict=True)
    ]


if __name__ == "__main__":
    main()
