"""Drills: what users of a project would see when things go wrong, tried on its own workflow and pipeline.

`scenario.py` lists what may go wrong, `drill.py` carries one scenario out. The models are played by the
simulated provider, actions are written down in place of being carried out, and all state is in a folder that
is gone afterwards.
"""

from roadworthy.testing.drill.drill import Outcome, drill, require_parts
from roadworthy.testing.drill.figures import Figures
from roadworthy.testing.drill.findings import Finding
from roadworthy.testing.drill.inputs import Inputs, from_file, on_record, sampled
from roadworthy.testing.drill.plan import Plan
from roadworthy.testing.drill.sacred import Ruling
from roadworthy.testing.drill.scenario import SCENARIOS, Scenario, scenarios
from roadworthy.testing.drill.stage import played
from roadworthy.testing.drill.worker import work

__all__ = [
    "SCENARIOS",
    "Figures",
    "Finding",
    "Inputs",
    "Outcome",
    "Plan",
    "Ruling",
    "Scenario",
    "drill",
    "from_file",
    "on_record",
    "played",
    "require_parts",
    "sampled",
    "scenarios",
    "work",
]
