"""Databases, and programs that work on them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from roadworthy.db import Database

PROGRAM = Path(__file__).parent / "program.py"


@pytest.fixture
def open_database(fresh_database_url):
    """Open the test's database once more, as another process would; all are closed afterwards."""
    opened = []

    def make():
        opened.append(Database(fresh_database_url, patience_seconds=10))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def database(open_database):
    """An open database."""
    return open_database()


class Programs:
    """Processes that run `program.py`; what each prints is one line of JSON."""

    def __init__(self, url):
        self.url = url
        self.running = []

    def start(self, what, **given):
        """Start one."""
        command = [sys.executable, str(PROGRAM), self.url, what, json.dumps(given)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.running.append(process)
        return process

    def said(self, process):
        """Wait for the line of a process."""
        line = process.stdout.readline()
        return json.loads(line) if line else pytest.fail(process.stderr.read())

    def stop(self):
        """End what still runs."""
        for process in self.running:
            process.kill()
            process.communicate()


@pytest.fixture
def programs(fresh_database_url, open_database):
    """Start programs on the test's database."""
    programs = Programs(fresh_database_url)
    yield programs
    programs.stop()
