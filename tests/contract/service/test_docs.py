"""`docs/service.md` works as it is written: its requests, sent as they stand, are answered as it shows."""

import json
import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "service.md").read_text(encoding="utf-8")
PAIRS = re.findall(r"```http\n(.*?)```\n\n```json\n(.*?)```", PAGE, re.DOTALL)


async def test_every_request_of_the_page_is_answered_as_it_shows(desk):
    """Status, and every field that the page shows."""
    client, secret = await desk.open(), await desk.secret()
    assert len(PAIRS) == PAGE.count("```http") >= 5
    for request, shown in PAIRS:
        head, _, body = request.strip().partition("\n\n")
        first, *lines = head.splitlines()
        method, path = first.split(" ")
        headers = dict(line.replace("$KEY", secret).split(": ", 1) for line in lines)
        answer = await client.request(method, path, headers=headers, content=body.encode())
        expected = json.loads(shown)
        assert answer.status_code == expected["status"], answer.text
        given = answer.json()
        assert {name: given[name] for name in expected["body"]} == expected["body"]
