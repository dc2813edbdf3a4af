"""Which version, route or value of a flag serves whom in an environment: releases, splits, rollback, flags.

`store` and `exposure` (SQL) are imported on their own: `from roadworthy.releases import store`.
"""

from roadworthy.releases.exposure import Exposure
from roadworthy.releases.memory import Snapshot
from roadworthy.releases.pins import current_pins, pinned
from roadworthy.releases.release import (
    OFF,
    ON,
    SLOTS,
    Arm,
    Change,
    ChangeKind,
    Evidence,
    Release,
    arm_json,
    flag_subject,
    named,
    prompt_subject,
    route_subject,
)
from roadworthy.releases.releases import Assigned, Releases
from roadworthy.releases.shares import shares_of, slots_of

__all__ = [
    "OFF",
    "ON",
    "SLOTS",
    "Arm",
    "Assigned",
    "Change",
    "ChangeKind",
    "Evidence",
    "Exposure",
    "Release",
    "Releases",
    "Snapshot",
    "arm_json",
    "current_pins",
    "flag_subject",
    "named",
    "pinned",
    "prompt_subject",
    "route_subject",
    "shares_of",
    "slots_of",
]
