"""Counters and histograms of one process, made from the events it reports, in Prometheus's text format.

A process that serves HTTP counts what it does itself; Prometheus adds processes up. What only the database
knows (queues, budgets) is measured when somebody asks. Labels take few values; what would be one too many
series of a metric is counted under `other`, so that no input can fill the memory.
"""

import math
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_MOST_SERIES: Final = 500
_OTHER: Final = "other"
_SECONDS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
Labels = tuple[str, ...]


class Counter:
    """A number that only grows, one for each set of labels."""

    kind = "counter"

    def __init__(self, name: str, told: str, *labels: str) -> None:
        self.name, self.told, self.labels = name, told, labels
        self._values: dict[Labels, float] = {}

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Count."""
        key = _bounded(self._values, labels)
        self._values[key] = self._values.get(key, 0) + amount

    def lines(self) -> Iterable[str]:
        """Each series."""
        for labels, value in self._values.items():
            yield f"{self.name}{_braces(self.labels, labels)} {_number(value)}"


class Histogram:
    """How often something took how long, one for each set of labels."""

    kind = "histogram"

    def __init__(self, name: str, told: str, *labels: str) -> None:
        self.name, self.told, self.labels = name, told, labels
        self._values: dict[Labels, list[float]] = {}

    def add(self, labels: Labels, seconds: float) -> None:
        """Count one of so many seconds."""
        key = _bounded(self._values, labels)
        counts = self._values.setdefault(key, [0.0] * (len(_SECONDS) + 2))
        counts[bisect_left(_SECONDS, seconds)] += 1
        counts[-1] += seconds

    def lines(self) -> Iterable[str]:
        """Each series: buckets that include the smaller ones, the sum, the count."""
        names = (*self.labels, "le")
        for labels, (*counts, total) in self._values.items():
            so_far = 0.0
            for bound, count in zip((*_SECONDS, math.inf), counts, strict=True):
                so_far += count
                edge = "+Inf" if bound == math.inf else _number(bound)
                yield f"{self.name}_bucket{_braces(names, (*labels, edge))} {_number(so_far)}"
            yield f"{self.name}_sum{_braces(self.labels, labels)} {_number(total)}"
            yield f"{self.name}_count{_braces(self.labels, labels)} {_number(so_far)}"


class Metrics:
    """What a process counts. `observe` takes the events of `Telemetry.emit`, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.runs = Counter("roadworthy_runs_ended_total", "Runs that ended here.", "workflow", "status")
        self.run_seconds = Histogram("roadworthy_run_seconds", "From start to end of runs here.", "workflow")
        self.calls = Counter(
            "roadworthy_calls_total", "Calls to models made here.", "prompt", "rung", "outcome"
        )
        self.call_seconds = Histogram("roadworthy_call_seconds", "How long calls took.", "prompt")
        self.attempts = Counter(
            "roadworthy_attempts_total", "Requests to providers.", "model", "provider", "outcome"
        )
        self.attempt_seconds = Histogram("roadworthy_attempt_seconds", "How long they took.", "model")
        self.cost_usd = Counter("roadworthy_cost_usd_total", "What they cost, as far as known.", "model")
        self.saved_usd = Counter(
            "roadworthy_saved_usd_total", "What cached answers would have cost.", "prompt"
        )
        self.tokens = Counter("roadworthy_tokens_total", "Tokens read and written.", "model", "direction")
        self.refused = Counter(
            "roadworthy_refused_total", "What budgets and throttles refused.", "what", "name"
        )
        self.requests = Counter(
            "roadworthy_http_requests_total", "Requests to the service.", "method", "route", "status"
        )
        self.request_seconds = Histogram(
            "roadworthy_http_request_seconds", "How long they took, streams apart.", "route"
        )

    def observe(self, event: str, fields: Mapping[str, Any]) -> None:
        """Count an event."""
        with self._lock:
            match event.partition(".")[0]:
                case "run":
                    self._run(event, fields)
                case "call":
                    self._call(event, fields)
                case "attempt":
                    self._attempt(event, fields)
                case "budget" | "throttle" if event in ("budget.refused", "throttle.refused"):
                    kind = event.partition(".")[0]
                    self.refused.add((kind, str(fields[kind])))
                case _:
                    pass

    def request(self, method: str, route: str, status: int, seconds: float, *, stream: bool = False) -> None:
        """Count a request to the service."""
        with self._lock:
            self.requests.add((method, route, str(status)))
            if not stream:
                self.request_seconds.add((route,), seconds)

    def render(self) -> str:
        """All of it, in Prometheus's text format."""
        with self._lock:
            return "".join(
                rendered(one) for one in vars(self).values() if isinstance(one, Counter | Histogram)
            )

    def _run(self, event: str, fields: Mapping[str, Any]) -> None:
        ended = {"run.finished": fields.get("status", ""), "run.dead": "dead", "run.cancelled": "cancelled"}
        if event not in ended:
            return
        self.runs.add((fields["workflow"], str(ended[event])))
        if fields.get("duration_seconds") is not None:
            self.run_seconds.add((fields["workflow"],), fields["duration_seconds"])

    def _call(self, event: str, fields: Mapping[str, Any]) -> None:
        prompt = fields["prompt_id"]
        self.calls.add((prompt, fields.get("rung") or "", event.removeprefix("call.")))
        self.call_seconds.add((prompt,), fields["duration_seconds"])
        if fields.get("saved_usd"):
            self.saved_usd.add((prompt,), float(fields["saved_usd"]))

    def _attempt(self, event: str, fields: Mapping[str, Any]) -> None:
        model = fields["model"]
        outcome = "ok" if event == "attempt.finished" else str(fields.get("error_kind") or "failed")
        self.attempts.add((model, fields["provider"], outcome))
        self.attempt_seconds.add((model,), fields["duration_seconds"])
        if fields.get("cost_usd"):
            self.cost_usd.add((model,), float(fields["cost_usd"]))
        for direction in ("input", "output", "cache_read"):
            if fields.get(f"{direction}_tokens"):
                self.tokens.add((model, direction), fields[f"{direction}_tokens"])


def rendered(metric: Counter | Histogram) -> str:
    """One metric with its head; nothing when it has no series."""
    lines = list(metric.lines())
    if not lines:
        return ""
    return "\n".join(
        (f"# HELP {metric.name} {metric.told}", f"# TYPE {metric.name} {metric.kind}", *lines, "")
    )


def gauge(name: str, told: str, labels: tuple[str, ...], series: Iterable[tuple[Labels, float]]) -> str:
    """Values as they are now; nothing when there are none."""
    lines = [f"{name}{_braces(labels, values)} {_number(value)}" for values, value in series]
    return "\n".join((f"# HELP {name} {told}", f"# TYPE {name} gauge", *lines, "")) if lines else ""


def _bounded(known: Mapping[Labels, Any], labels: Labels) -> Labels:
    return labels if labels in known or len(known) < _MOST_SERIES else (_OTHER,) * len(labels)


def _braces(names: tuple[str, ...], values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{','.join(pairs)}}}"


def _escaped(value: str) -> str:
    plain = value.encode(errors="replace").decode()
    return plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float | Decimal) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
