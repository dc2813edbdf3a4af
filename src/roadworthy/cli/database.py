"""`roadworthy db`: the schema of the database."""

from typing import TYPE_CHECKING, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.db import Database

group = typer.Typer(help="Bring the database up to date, or see how it stands.", no_args_is_help=True)


@command(group)
def upgrade(place: Place, as_json: JsonOption = False) -> None:
    """Apply the migrations that are missing. The embedded database does it by itself on start."""
    from roadworthy.cli import terminal
    from roadworthy.db import upgrade as apply
    from roadworthy.db.schema import HEAD
    from roadworthy.workflows.engine import migrate

    with _Opened(place) as database:
        changed = apply(database)
        migrate(database)
        address = database.display_url
    if as_json:
        terminal.print_json({"url": address, "revision": HEAD, "changed": changed})
    else:
        terminal.say(f"{terminal.clean(address)} {'is now' if changed else 'was already'} at {HEAD}.")


@command(group)
def status(place: Place, as_json: JsonOption = False) -> int:
    """Say which schema the database has. Exit code 1 when it is not this program's."""
    from roadworthy.cli import terminal
    from roadworthy.db.schema import HEAD, current_revision

    with _Opened(place) as database:
        revision, address = current_revision(database), database.display_url
    if as_json:
        made: dict[str, Any] = {
            "url": address,
            "revision": revision,
            "expected": HEAD,
            "current": revision == HEAD,
        }
        terminal.print_json(made)
    elif revision == HEAD:
        terminal.say(f"{terminal.clean(address)} is up to date ({HEAD}).")
    elif revision is None or revision < HEAD:
        terminal.say(f"{terminal.clean(address)} has {revision or 'no schema'}, this program needs {HEAD}.")
        terminal.say(f"Run: {place.command('db', 'upgrade')}")
    else:
        terminal.say(
            f"{terminal.clean(address)} has {revision}, newer than this program ({HEAD}). Upgrade it."
        )
    return 0 if revision == HEAD else 1


class _Opened:
    """The project's database, closed in the end."""

    def __init__(self, place: Place) -> None:
        from roadworthy.cli.project import load_settings, reach
        from roadworthy.db import Database

        settings = load_settings(place)
        reach(settings)
        self._database = Database(settings.database.url, pool_size=2)

    def __enter__(self) -> "Database":
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()
