"""The router at run time: `LearnedRouter.load(path).choose(text)`. No dependency, some ten microseconds.

The score is a logistic regression over the words and pairs of words of the text, weighted by TF-IDF as
scikit-learn computes it (sublinear, smooth, of length 1). Besides the threshold a counter holds the share: at
no moment did more than `max_share` of the texts seen so far go to the cheap model, whatever the traffic is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from roadworthy.errors import ConfigurationError
from roadworthy.models.learned.file import RouterFile
from roadworthy.models.learned.terms import terms


@dataclass(frozen=True, slots=True)
class Choice:
    """Where one text goes."""

    cheap: bool
    """True: to the cheap model; False: to the strong one."""
    score: float
    """How sure the router is of the cheap model, 0 to 1; 0 where it knows no word of the text."""


class Scorer:
    """The learned weights."""

    __slots__ = ("_intercept", "_terms")

    def __init__(self, intercept: float, weights: Mapping[str, tuple[float, float]]) -> None:
        self._intercept = intercept
        self._terms = weights

    def log_odds(self, text: str) -> float:
        """The score before it is brought between 0 and 1; minus infinity where no word is known."""
        known = self._terms
        counts: dict[str, int] = {}
        for term in terms(text):
            if term in known:
                counts[term] = counts.get(term, 0) + 1
        if not counts:
            return -math.inf if known else self._intercept
        total = square = 0.0
        for term, count in counts.items():
            inverse_frequency, weight = known[term]
            value = inverse_frequency * (1.0 + math.log(count))
            total += value * weight
            square += value * value
        return self._intercept + total / math.sqrt(square)

    def score(self, text: str) -> float:
        """How sure one may be of the cheap model, 0 to 1."""
        odds = self.log_odds(text)
        if odds >= 0:
            return 1.0 / (1.0 + math.exp(-odds))
        small = math.exp(odds)
        return small / (1.0 + small)


class LearnedRouter:
    """A trained router and its counter. One for a route and process; safe to use from several threads."""

    def __init__(self, trained: RouterFile) -> None:
        self.trained = trained
        """What was learned and proven."""
        self.cheap = trained.cheap
        """The name of the cheap model."""
        self.strong = trained.strong
        """The name of the strong model."""
        self._scorer = Scorer(trained.intercept, trained.terms)
        self._threshold = math.inf if trained.threshold is None else trained.threshold
        self._max_share = trained.max_share
        self._seen = self._routed = 0
        self._lock = Lock()

    @classmethod
    def load(cls, path: Path | str) -> "LearnedRouter":
        """The router in a file that `roadworthy routes train` wrote.

        Raises:
            ConfigurationError: The file is missing, damaged, or of another version.
        """
        return cls(RouterFile.read(Path(path)))

    def require(self, route: str, models: Sequence[str]) -> None:
        """See that it belongs to a route with these models, in their order.

        Raises:
            ConfigurationError: The cheap model is not the first, or the strong one does not follow.
        """
        if models and models[0] == self.cheap and self.strong in models[1:]:
            return
        raise ConfigurationError(
            f"The router of route {route!r} was trained for {self.cheap!r} before {self.strong!r}, "
            f"but the route asks {', '.join(map(repr, models))}.",
            hint=f"Put {self.cheap!r} first and {self.strong!r} after it, or train a router for these: "
            f"roadworthy routes train {route}",
        )

    def changed(self, served: Mapping[str, str]) -> list[str]:
        """Of the two names, those behind which another model stands now than at the training.

        `served` says for each name what the provider calls the model. What it does not say is no change.
        """
        then = self.trained.served
        return [name for name in (self.cheap, self.strong) if name in then and then[name] != served.get(name)]

    def score(self, text: str) -> float:
        """How sure it is of the cheap model, 0 to 1; nothing is counted."""
        return self._scorer.score(text)

    def choose(self, text: str) -> Choice:
        """Where this text goes; it counts as seen."""
        score = self._scorer.score(text)
        with self._lock:
            room = self._routed + 1 <= self._max_share * (self._seen + 1)
            cheap = score >= self._threshold and room
            self._seen += 1
            self._routed += cheap
        return Choice(cheap, score)
