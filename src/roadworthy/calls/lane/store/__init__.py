"""The SQL of the lane: plain functions of a connection, put into transactions by the caller.

    waiting ──group──► submitted ──result──► answered, failed ──► taken
       │                   └──── its call was asked live ──► late ──result──► late, with its end
       └── its call was asked live ──► withdrawn

Every change of state names the state it comes from, so that each may be tried by any process, any number of
times. A batch belongs to the worker that claims it, for as long as that renews its claim.
"""
