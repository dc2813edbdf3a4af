"""Who reviews: `Reviewer`, as the service or the command line knows them."""

from dataclasses import dataclass

OWNER = "owner"
"""The role that may decide everything."""


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
