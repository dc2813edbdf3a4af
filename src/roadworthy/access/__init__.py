"""Who somebody is and what they may do. Deny by default: `docs/access.md` has the table."""

from roadworthy.access.access import Access
from roadworthy.access.keys import KEY_ROLES
from roadworthy.access.office import Note, Record
from roadworthy.access.openid_sign_in import Arrival, Departure
from roadworthy.access.permission import Permission
from roadworthy.access.principal import Grant, Principal, PrincipalKind, Scope
from roadworthy.access.records import AccessKey, Link, Person, SignedIn, Status
from roadworthy.access.role import PERMISSIONS, Role

__all__ = [
    "KEY_ROLES",
    "PERMISSIONS",
    "Access",
    "AccessKey",
    "Arrival",
    "Departure",
    "Grant",
    "Link",
    "Note",
    "Permission",
    "Person",
    "Principal",
    "PrincipalKind",
    "Record",
    "Role",
    "Scope",
    "SignedIn",
    "Status",
]
