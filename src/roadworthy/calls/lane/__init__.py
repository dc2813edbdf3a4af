"""The provider-batch lane of calls: what a call leaves there, and what it takes up again.

    entry      a call that can wait becomes a row: the request, what is set aside for it, its deadline
    results    what a batch brought is an attempt of its call: priced as a batch, settled, on record at once
    exit       the run goes on with it; what has not come by the deadline is asked live
    store      the SQL of the requests that wait, and of the provider's batches that hold them

Between the first and the last, the call is held by no process. An answer is paid for when the batch brings
it, so that is when it is recorded, also if nobody takes it any more.
"""

from roadworthy.calls.lane.batch import Batch, BatchStatus
from roadworthy.calls.lane.exit import Taken
from roadworthy.calls.lane.lane import Lane
from roadworthy.calls.lane.request import PROVIDER_BATCH, LaneRequest, LaneStatus
from roadworthy.calls.lane.results import Results

__all__ = [
    "PROVIDER_BATCH",
    "Batch",
    "BatchStatus",
    "Lane",
    "LaneRequest",
    "LaneStatus",
    "Results",
    "Taken",
]
