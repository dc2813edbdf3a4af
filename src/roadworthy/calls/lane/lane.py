"""The lane of a project, with its way in, what batches bring, and its way out."""

from roadworthy.calls.admit import Admissions
from roadworthy.calls.ask import Asker
from roadworthy.calls.lane.entry import Entry
from roadworthy.calls.lane.exit import Exit
from roadworthy.calls.lane.results import Results
from roadworthy.db import Database
from roadworthy.models import Models
from roadworthy.records import Clock
from roadworthy.settings import Settings
from roadworthy.telemetry import Telemetry


class Lane:
    """The lane of a project's calls."""

    def __init__(
        self,
        *,
        settings: Settings,
        models: Models,
        database: Database,
        telemetry: Telemetry,
        clock: Clock,
        admissions: Admissions,
        asker: Asker,
    ) -> None:
        self.entry = Entry(
            settings=settings, database=database, clock=clock, admissions=admissions, asker=asker
        )
        self.results = Results(models=models, telemetry=telemetry, clock=clock, admissions=admissions)
        self.exit = Exit(
            models=models,
            database=database,
            telemetry=telemetry,
            clock=clock,
            asker=asker,
            results=self.results,
        )
