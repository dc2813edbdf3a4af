"""Who reviews: `Reviewer`, as the service or the command line knows them."""

from dataclasses import dataclass

from roadworthy.errors import InvalidInput

OWNER = "owner"
"""The role that may decide everything."""

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A person, or whoever else gives a verdict in their own name."""

    id: str
    """Tells one person from another: two people never share it."""
    name: str
    roles: frozenset[str] = frozenset()

    @classmethod
    def terminal(cls, name: str) -> "Reviewer":
        """Whoever may run commands where the database is: may decide everything."""
        return cls(f"terminal:{name}", name, frozenset({OWNER}))


def reviewer_of(by: Reviewer | str) -> Reviewer:
    """Who it is; code that gives a bare name speaks for the machine that holds the database."""
    if isinstance(by, str):
        return Reviewer.terminal(name_of(by))
    name_of(by.name)
    return by


def name_of(by: str) -> str:
    """A person's name, as it is stored. Raises `InvalidInput`."""
    name = by.strip()
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"Say who answers: a name of 1 to {_LONGEST_NAME} printable characters.")
    return name
