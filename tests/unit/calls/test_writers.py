"""Who writes to calls: each has to say so to the roll-ups (`calls/hours.py`), or their hours go wrong."""

import re
from pathlib import Path

import roadworthy

WRITES = re.compile(r"(?:insert|insert_once|upsert|update|delete)\(\s*(?:calls|call_attempts)\b")


def test_only_these_modules_write_to_calls():
    """A new one calls `hours.changed` in the same transaction, and is then added here."""
    root = Path(roadworthy.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if WRITES.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"calls/lane/store/calls.py", "calls/lost.py", "calls/store.py", "workflows/retention.py"}
