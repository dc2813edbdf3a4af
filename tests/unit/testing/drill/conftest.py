"""A record of a drill made by hand: rows as the database has them, as far as figures and rules read them."""

import pytest

from roadworthy.testing.drill.acts import Acted
from roadworthy.testing.drill.book import Book


class Record:
    """Rows are added one by one; `book` is what a drill reads."""

    def __init__(self):
        self.runs, self.steps, self.step_attempts = [], [], []
        self.calls, self.requests, self.actions, self.standings, self.acts = [], [], [], [], []

    def run(self, run_id, status="succeeded", seconds=1.0, **values):
        """A run that was started from outside."""
        ended = None if status in ("waiting", "running") else int(seconds * 1000)
        row = {"id": run_id, "status": status, "parent_run_id": None, "created_at": 0, "finished_at": ended}
        row |= {"waiting_for": None, "error_kind": None, "over_budget": False}
        self.runs.append(row | values)

    def call(self, run_id, rung="big", status="succeeded", **values):
        """A call with one request, in a step of its own."""
        number = len(self.calls) + 1
        call_id, step_id = f"call-{number}", f"step-{number}"
        row = {"id": call_id, "run_id": run_id, "step_id": step_id, "status": status, "rung": rung}
        row |= {"degraded": False, "route": "default", "started_at": number, "finished_at": number}
        self.calls.append(row | values)
        self.steps.append({"id": step_id, "kind": "call"})
        self.step_attempts.append({"step_id": step_id, "status": "succeeded"})
        self.request(call_id, status=status)
        return call_id

    def request(self, call_id, model="big", reason="first", status="succeeded", cost_micro_usd=0):
        """A request to a model."""
        number = len(self.requests) + 1
        row = {
            "call_id": call_id,
            "model": model,
            "reason": reason,
            "status": status,
            "cost_source": "settings",
        }
        row |= {"provider_request_id": f"req_sim{number:012d}", "cost_micro_usd": cost_micro_usd}
        self.requests.append(row)

    def act(self, run_id, key, *, irreversible=True, by="rule", name="checked", call_id=None, time_ms=10):
        """An action that was done, with the decision that it was given."""
        decision = {"by": by, "name": name, "call_id": call_id}
        answers = (call_id,) if call_id else ()
        decisions = (decision,) if by else ()
        self.acts.append(Acted("send", key, irreversible, run_id, time_ms, decisions, answers))
        if not any(one["key"] == key for one in self.actions):
            self.actions.append({"action": "send", "key": key, "done_at": 20})

    def book(self):
        """Everything."""
        parts = (self.runs, self.steps, self.step_attempts, self.calls, self.requests, self.actions)
        return Book(*map(tuple, parts), tuple(self.standings))


@pytest.fixture
def record():
    """An empty record."""
    return Record()
