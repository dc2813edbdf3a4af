"""Answers of the simulated provider from a recording, by the messages alone.

The settings of a request are not compared: other clients put them into other fields. A request that is not in
the recording gets the provider's error for a bad request, whose message says so.
"""

from roadworthy.records import Usage
from roadworthy.testing.recording import Exchange, Recording
from roadworthy.testing.simulated.answers import Answer, Rule
from roadworthy.testing.simulated.faults import BadRequest
from roadworthy.testing.simulated.received import Received
from roadworthy.testing.simulated.reply import Reply


def recorded(recording: Recording) -> Rule:
    """A rule that answers from `recording`, repeated requests in the order in which they were recorded."""
    answers: dict[tuple[tuple[str, str], ...], list[Exchange]] = {}
    for exchange in recording.exchanges:
        messages = tuple((item["role"], item["text"]) for item in exchange.request["messages"])
        answers.setdefault(messages, []).append(exchange)
    given: dict[tuple[tuple[str, str], ...], int] = {}

    def rule(received: Received) -> Answer:
        asked = tuple((role, recording.scrubber.scrub(text)) for role, text in received.messages)
        found = [its for its in answers.get(asked, []) if its.response is not None]
        if not found:
            return BadRequest(f"The recording {recording.path.name!r} has no answer for these messages.")
        number = given.get(asked, 0)
        given[asked] = number + 1
        response = found[min(number, len(found) - 1)].response or {}
        return Reply(
            response["text"],
            finish="length" if response["finish_reason"] == "length" else "stop",
            usage=Usage(**response["usage"]),
            model=response["model"],
        )

    return rule
