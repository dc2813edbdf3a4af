"""`Access`: who somebody is and what they may do, in three parts.

    people      added, disabled, given roles
    keys        made, revoked, recognised
    sign-ins    links, providers of OpenID Connect, sessions, and how often they may be tried

Every change has its audit entry in the same transaction, made by `record`, which the app hands in.
"""

from collections.abc import Mapping

from roadworthy.access.keys import Keys
from roadworthy.access.office import Office, Record
from roadworthy.access.openid import Provider
from roadworthy.access.openid_sign_in import OpenIdSignIns
from roadworthy.access.people import People
from roadworthy.db import Database
from roadworthy.records import Clock, Ids
from roadworthy.settings import AccessSettings


class Access(People, Keys, OpenIdSignIns):
    """The access of a project. One for a process, so that what is remembered is remembered once."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: AccessSettings,
        record: Record,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        super().__init__(Office(database, clock, ids, settings, record, providers or {}))
