"""How the requests of a batch are answered: as live ones, but for the connection, which they have not."""

from collections.abc import Iterable

from roadworthy.records import Clock
from roadworthy.testing.simulated.answers import Answers
from roadworthy.testing.simulated.batches.batch import Batch, Entry, Outcome
from roadworthy.testing.simulated.dialects import Answered
from roadworthy.testing.simulated.faults import (
    BadRequest,
    ErrorFault,
    ErrorInSuccess,
    Fault,
    ServerError,
    Slow,
)
from roadworthy.testing.simulated.journal import Journal
from roadworthy.testing.simulated.received import Asked, BadBody, Received
from roadworthy.testing.simulated.reply import Reply


async def run(
    batch: Batch, entries: Iterable[Entry], answers: Answers, journal: Journal, clock: Clock
) -> None:
    """Answer, journal and bill these entries of the batch."""
    for entry in entries:
        asked, answer = Asked("", ()), None
        try:
            asked = batch.dialect.read({**batch.params, **entry.body})
        except BadBody as error:
            answer = BadRequest(str(error), error.param)
        received = Received(
            number=journal.next_number(),
            api=batch.dialect.api,
            path=batch.path,
            model=asked.model,
            messages=asked.messages,
            schema=asked.schema,
            tool=asked.tool,
            stream=False,
            headers={},
            body=entry.body,
            time_ms=clock.now_ms(),
            batch=batch.id,
        )
        journal.arrived(received)
        entry.outcome = await _outcome(batch, answer or answers.choose(received), received, journal)


async def _outcome(batch: Batch, answer: Reply | Fault, received: Received, journal: Journal) -> Outcome:
    while isinstance(answer, Slow):
        answer = answer.then if isinstance(answer.then, Reply | Fault) else Reply()
    if isinstance(answer, Reply):
        answered = Answered(received, answer, journal.usage(answer, received))
        await journal.bill(received, answered.usage)
        return Outcome("answered", 200, batch.dialect.whole(answered), received.number)
    # There is no connection that could break: whatever else is wrong is the provider's own failure.
    fault = answer if isinstance(answer, ErrorFault) else ServerError()
    status, body = batch.dialect.error(fault.problem(received), request_id(received.number))
    if isinstance(answer, ErrorInSuccess):
        return Outcome("answered", 200, body, received.number)
    return Outcome("errored", status, body, received.number)


def request_id(number: int) -> str:
    """The provider's id of a request, as live ones have it in a header."""
    return f"req_sim{number:012d}"
