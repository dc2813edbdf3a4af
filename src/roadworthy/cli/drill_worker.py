"""The process of a worker in a drill: `python -m roadworthy.cli.drill_worker ORDER FOLDER ENVIRONMENT`.

It is started by `roadworthy drill` and killed by it; the last two may be empty, as where they are not given.
"""

import asyncio
import sys
from pathlib import Path

from roadworthy.cli.command import Place
from roadworthy.cli.project import load_app
from roadworthy.testing.drill import work


def main(order: str, folder: str, environment: str) -> None:
    """Execute the drill's runs until stopped."""
    place = Place(Path(folder) if folder else None, environment or None)
    asyncio.run(work(load_app(place), Path(order)))


if __name__ == "__main__":
    main(*sys.argv[1:])
