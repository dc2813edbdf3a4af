"""Looks after the provider-batch lane: `LaneKeeper.keep`, a duty of every worker.

    tidy      what nobody waits for any more is withdrawn, or noted as late
    group     requests that have waited long enough become a batch, together with its row, in one transaction
    submit    the batch goes to the provider under its id; after a crash it is looked for there first
    poll      until the provider is done; a batch that nobody waits for any more is cancelled
    store     results become attempts, are settled, and wake their runs, some hundred in a transaction

A batch is looked after by the worker that claims it and keeps renewing the claim. One that dies leaves it to
the next. Whatever was done already is found done: nothing is submitted, stored or billed twice.
"""

from roadworthy.workflows.lane.keeper import LaneKeeper

__all__ = ["LaneKeeper"]
