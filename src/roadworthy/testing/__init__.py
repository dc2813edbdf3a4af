"""Tools for the tests of projects that are built on Roadworthy; installed by `roadworthy[testing]`.

`clock` holds time and ids still, `suites` makes a test of a suite of evaluations. `simulated` is a provider
of language models on this machine, `recording` keeps what real models said, `plugin` is the pytest plugin:
these three are imported by their own names, so that none costs anything where it is not used.
"""

from roadworthy.testing.clock import FakeClock, FixedIds
from roadworthy.testing.suites import eval_suite

__all__ = ["FakeClock", "FixedIds", "eval_suite"]
