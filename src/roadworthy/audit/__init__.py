"""Who did what: an append-only log whose entries are chained by their hashes.

`Audit.entry` makes an entry of who acts now (`acting`), `Audit.append` stores it in the transaction of the
change it tells of. `verify` finds the first thing that does not fit.
"""

from roadworthy.audit.action import Action
from roadworthy.audit.actor import SYSTEM, Actor, ActorKind, act_as, acting, current_actor
from roadworthy.audit.audit import Audit
from roadworthy.audit.chain import Head, Keyring
from roadworthy.audit.entry import Entry, Outcome
from roadworthy.audit.store import Filter
from roadworthy.audit.verify import Verified, verify_file

__all__ = [
    "SYSTEM",
    "Action",
    "Actor",
    "ActorKind",
    "Audit",
    "Entry",
    "Filter",
    "Head",
    "Keyring",
    "Outcome",
    "Verified",
    "act_as",
    "acting",
    "current_actor",
    "verify_file",
]
