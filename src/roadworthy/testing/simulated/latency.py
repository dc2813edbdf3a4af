"""How long the simulated model takes: a distribution with a median and a tail, repeatable by its seed."""

import math
import random
from dataclasses import dataclass

_NORMAL_P99 = 2.3263478740408408
"""The 99th percentile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Log-normal, as the latencies of real providers roughly are: half below the median, 1 % above `p99`."""

    median_seconds: float
    p99_seconds: float | None = None
    """No tail when `None`: every request takes the median."""
    seed: int = 0

    def seconds(self, number: int) -> float:
        """The latency of the request of this number."""
        if self.p99_seconds is None or self.p99_seconds <= self.median_seconds:
            return self.median_seconds
        spread = math.log(self.p99_seconds / self.median_seconds) / _NORMAL_P99
        drawn = random.Random(f"{self.seed}:{number}").gauss(0, 1)  # noqa: S311 - repeatable on purpose
        return self.median_seconds * math.exp(spread * drawn)
