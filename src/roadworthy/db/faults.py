"""What a driver's error means: whether trying again may help, and what to tell whoever runs the program."""

import sqlite3

from sqlalchemy import exc

from roadworthy.errors import DatabaseError

_SQLITE_CAUSES = {
    sqlite3.SQLITE_FULL: (
        "The disk that holds {url} is full; the last change was not stored.",
        "Free some space, then go on: nothing that was stored is lost.",
    ),
    sqlite3.SQLITE_CANTOPEN: ("The file of {url} cannot be opened.", "Check the path and its permissions."),
    sqlite3.SQLITE_READONLY: ("{url} cannot be written to.", "Check the permissions of file and folder."),
    sqlite3.SQLITE_PERM: ("{url} cannot be written to.", "Check the permissions of file and folder."),
    sqlite3.SQLITE_NOTADB: ("{url} is not an SQLite database.", "Point database.url at another file."),
    sqlite3.SQLITE_CORRUPT: ("The file of {url} is damaged.", "Restore it from a backup."),
    sqlite3.SQLITE_IOERR: ("The disk under {url} reports an error.", "Check the disk and its free space."),
    sqlite3.SQLITE_BUSY: ("{url} stayed locked by another process.", "Try again."),
    sqlite3.SQLITE_LOCKED: ("{url} stayed locked by another process.", "Try again."),
}
"""Message and hint by SQLite's primary result code."""

_POSTGRES_CAUSES = {
    "53100": ("The disk of the server behind {url} is full.", "Free some space, then go on."),
    "28P01": ("{url} refused the user or the password.", "Check database.url."),
    "28000": ("{url} refused the user or the password.", "Check database.url."),
    "3D000": ("{url} does not exist.", "Create the database first."),
}
"""Message and hint by SQLSTATE."""


def is_transient(error: exc.DBAPIError) -> bool:
    """Whether the same transaction may go through later: a lost connection, a lock, a deadlock."""
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.OperationalError):
        return error.orig.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return isinstance(error, exc.OperationalError) and not isinstance(error.orig, sqlite3.Error)
    # connection lost, serialization failure, deadlock, shutting down, starting up
    return state[:2] == "08" or state in {"40001", "40P01", "57P01", "57P02", "57P03"}


def translated(error: exc.DBAPIError, display_url: str) -> DatabaseError:
    """The error for whoever runs the program, without the statement and what it held."""
    cause = error.orig
    state = getattr(cause, "sqlstate", None)
    if isinstance(cause, sqlite3.Error):
        known = _SQLITE_CAUSES.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    else:
        known = _POSTGRES_CAUSES.get(str(state))
    if known is None and isinstance(error, exc.OperationalError):
        known = (
            "The database {url} cannot be reached.",
            "Check that the server runs and the address is right.",
        )
    if known is None:
        return DatabaseError(f"The database refused a statement ({type(cause).__name__} {state or ''}).")
    return DatabaseError(known[0].format(url=display_url), hint=known[1])
