"""What a learned router can be trusted with, on real questions: banking77, 13,083 questions in 77 intents.

Two real classifiers stand for two models: "small" is naive Bayes on the 1,000 most frequent words, "large" a
linear support vector machine on all words and pairs, both fitted on 4,000 questions. Their real scores on the
next 6,000 train the router, for a loss of at most one point; the rest are the requests that it then routes,
counter included. Each seed draws all three parts anew, so that the promise can be checked: the loss may be
over the point in 5% of the seeds. What 3,083 requests measure is itself uncertain by half a point, so those
seeds are counted apart in which the excess is more than that ("surely"). `shifted` is the same with the data
set's own test file, whose intents are distributed otherwise than those that were trained on.

    python benchmarks/routing.py [--quick] [--data DIR]

DIR holds banking77_train.csv and banking77_test.csv, or a folder banking77 with them; left out, it is what
ROADWORTHY_BENCH_DATA names. Without them there is nothing to measure.
"""

import argparse
import csv
import json
import os
import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from roadworthy.models.learned import Case, LearnedRouter, Results, RouterFile, train
from roadworthy.models.learned.results import merged

MAX_LOSS = 0.01
FITTED, EVALUATED = 4000, 6000
QUESTION = "I still have not received my new card, I ordered over a week ago."

Labelled = list[tuple[str, str]]


@dataclass(frozen=True)
class Outcome:
    """What became of the requests of one seed; losses in points of the mean score."""

    max_share: float
    share: float
    loss: float
    random_loss: float
    cheap_loss: float
    uncertainty: float
    """1.64 standard errors of `loss`."""
    trained: RouterFile

    @property
    def exceeded(self) -> bool:
        """Whether more was lost than allowed."""
        return self.loss > MAX_LOSS

    @property
    def surely_exceeded(self) -> bool:
        """Whether that is more than the chance in these requests."""
        return self.loss - self.uncertainty > MAX_LOSS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4 seeds instead of 20")
    parser.add_argument("--data", type=Path, help="the folder with banking77")
    arguments = parser.parse_args()
    folder = find(arguments.data or Path(os.environ.get("ROADWORTHY_BENCH_DATA", "no folder")))
    if folder is None:
        print("skipped: banking77 is not there; give --data DIR or set ROADWORTHY_BENCH_DATA")
        print(json.dumps({"skipped": True}))
        return
    known, other = (read(folder / f"banking77_{name}.csv") for name in ("train", "test"))
    seeds = range(4 if arguments.quick else 20)
    promised = [measure(known + other, None, seed) for seed in seeds]
    shifted = [measure(known, other, seed) for seed in seeds]
    report(promised, shifted)


def find(folder: Path) -> Path | None:
    """The folder with the two files."""
    here = (folder, folder / "banking77")
    return next((one for one in here if (one / "banking77_train.csv").is_file()), None)


def read(path: Path) -> Labelled:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def measure(questions: Labelled, requests: Labelled | None, seed: int) -> Outcome:
    """Fit, evaluate, train, route. Without `requests`, those are what is left of the questions."""
    shuffled = list(questions)
    random.Random(seed).shuffle(shuffled)
    models = classifiers(shuffled[:FITTED])
    cases = merged(scored(models, shuffled[FITTED : FITTED + EVALUATED]))
    trained = train(
        Results(cases, EVALUATED, ""),
        route="answer",
        cheap="small",
        strong="large",
        max_loss=MAX_LOSS,
        trained_at_ms=0,
        seed=seed,
    )
    router = LearnedRouter(trained)
    asked = scored(models, shuffled[FITTED + EVALUATED :] if requests is None else requests)
    random.Random(seed).shuffle(asked)
    choices = [router.choose(case.text).cheap for case in asked]
    losses = [case.loss if cheap else 0.0 for case, cheap in zip(asked, choices, strict=True)]
    cheap_loss = statistics.fmean(case.loss for case in asked)
    share = statistics.fmean(choices)
    return Outcome(
        max_share=trained.max_share,
        share=share,
        loss=statistics.fmean(losses),
        uncertainty=1.64 * statistics.stdev(losses) / len(losses) ** 0.5,
        random_loss=share * cheap_loss,
        cheap_loss=cheap_loss,
        trained=trained,
    )


def classifiers(questions: Labelled):
    """The small and the large one."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    texts, intents = zip(*questions, strict=True)
    small = make_pipeline(CountVectorizer(max_features=1000), MultinomialNB())
    large = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
    return small.fit(texts, intents), large.fit(texts, intents)


def scored(models, questions: Labelled) -> list[Case]:
    """Each question with 1 or 0 for each classifier."""
    texts, intents = zip(*questions, strict=True)
    small, large = (model.predict(texts) for model in models)
    return [
        Case(text, float(one == intent), float(two == intent))
        for text, intent, one, two in zip(texts, intents, small, large, strict=True)
    ]


def microseconds(router: LearnedRouter) -> float:
    """Of one choice for a short question; the best of several rounds, since noise only adds."""
    best = 1.0
    for _ in range(500):
        began = time.perf_counter()
        for _ in range(20):
            router.choose(QUESTION)
        best = min(best, (time.perf_counter() - began) / 20)
    return best * 1e6


def report(promised: list[Outcome], shifted: list[Outcome]) -> None:
    print(f"{len(promised)} seeds, at most {MAX_LOSS:.0%} of the mean score to be lost; means over the seeds")
    titles = (("proven", 9), ("routed", 9), ("lost", 9), ("at random", 12), ("small alone", 13))
    heads = "".join(f"{title:>{width}}" for title, width in titles)
    print(f"{'':12}{heads}{'exceeded':>11}{'surely':>8}")
    for name, outcomes in (("as trained", promised), ("shifted", shifted)):
        figures = (mean(outcomes, key) for key in ("max_share", "share", "loss", "random_loss", "cheap_loss"))
        cells = "".join(f"{one:>{width}.2%}" for one, width in zip(figures, (9, 9, 9, 12, 13), strict=True))
        counts = (sum(one.exceeded for one in outcomes), sum(one.surely_exceeded for one in outcomes))
        print(f"{name:12}{cells}{counts[0]:>5} of {len(outcomes):<3}{counts[1]:>8}")
    print("what other losses would allow (first seed): loss allowed, share, loss measured")
    for row in promised[0].trained.table:
        print(f"{row.max_loss:>9.2%}{row.share:>9.1%}{row.loss:>9.2%}")
    print(
        json.dumps(
            {
                "skipped": False,
                "seeds": len(promised),
                "share_within_one_point": round(mean(promised, "share"), 4),
                "share_least": round(min(one.share for one in promised), 4),
                "loss": round(mean(promised, "loss"), 5),
                "loss_most": round(max(one.loss for one in promised), 5),
                "random_loss": round(mean(promised, "random_loss"), 5),
                "cheap_loss": round(mean(promised, "cheap_loss"), 5),
                "exceeded": sum(one.exceeded for one in promised),
                "surely_exceeded": sum(one.surely_exceeded for one in promised),
                "shifted_share": round(mean(shifted, "share"), 4),
                "shifted_loss": round(mean(shifted, "loss"), 5),
                "shifted_exceeded": sum(one.exceeded for one in shifted),
                "microseconds_per_choice": round(microseconds(LearnedRouter(promised[0].trained)), 1),
            }
        )
    )


def mean(outcomes: list[Outcome], key: str) -> float:
    return statistics.fmean(getattr(one, key) for one in outcomes)


if __name__ == "__main__":
    main()
