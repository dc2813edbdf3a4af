"""The service with everything on, on SQLite: prints its address and a key, and serves until told to end.

python gateway_server.py http://127.0.0.1:9/v1
"""

import asyncio
import logging
import sys

from project import project

from roadworthy.access import Principal
from roadworthy.service import Server, Service

SETTINGS = """
[database]
url = "sqlite:///gateway.db"

[service]
port = 0

[models.main]
provider = "openai-compatible"
base_url = "{address}"
model = "gpt-4o-mini"
prices = {{ input_usd_per_million = 0.15, output_usd_per_million = 0.6 }}
requests_per_minute = 1_000_000
max_concurrency = 200

[routes.default]
models = ["main"]
cache = {{ ttl_seconds = 60 }}

[budgets.daily]
scope = "environment"
per_day_usd = 1_000_000

[throttles.all]
scope = "environment"
requests_per_minute = 1_000_000
"""


async def main() -> None:
    logging.disable(logging.WARNING)
    with project(SETTINGS.format(address=sys.argv[1]), "# user\nHello\n") as app:
        async with app.running(work=False):
            service = Service(app, works=False)
            app.telemetry.observe = service.metrics.observe
            _, secret = await app.access.create_key(Principal.terminal("benchmark"), "benchmark")
            async with Server(service, app.settings.service) as server:
                print(server.url, secret, flush=True)
                await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
