"""Others, each asked for the same: a bare HTTP client, an SDK, and litellm with and without its router.

Run as: python benchmarks/variants/clients.py VARIANT ADDRESS
"""

import asyncio
import json
import sys

from asked import MESSAGES, RESPONSE_FORMAT, serve


async def run_httpx2(address: str) -> None:
    import httpx2

    body = {"model": "bench", "messages": MESSAGES, "response_format": RESPONSE_FORMAT}
    async with httpx2.AsyncClient(trust_env=False) as client:

        async def ask() -> object:
            response = await client.post(f"{address}/chat/completions", json=body)
            return json.loads(response.json()["choices"][0]["message"]["content"])

        await serve(ask)


async def run_openai(address: str) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:

        async def ask() -> object:
            answer = await client.chat.completions.create(
                model="bench", messages=MESSAGES, response_format=RESPONSE_FORMAT
            )
            return json.loads(answer.choices[0].message.content)

        await serve(ask)


async def run_litellm(address: str) -> None:
    import litellm

    async def ask() -> object:
        answer = await litellm.acompletion(
            model="openai/bench",
            messages=MESSAGES,
            response_format=RESPONSE_FORMAT,
            api_base=address,
            api_key="none",
            max_retries=0,
        )
        return json.loads(answer.choices[0].message.content)

    await serve(ask)


async def run_litellm_router(address: str) -> None:
    from litellm import Router

    where = {"model": "openai/bench", "api_base": address, "api_key": "none", "max_retries": 0}
    router = Router(model_list=[{"model_name": "main", "litellm_params": where}], num_retries=2)

    async def ask() -> object:
        answer = await router.acompletion(model="main", messages=MESSAGES, response_format=RESPONSE_FORMAT)
        return json.loads(answer.choices[0].message.content)

    await serve(ask)


VARIANTS = {
    "httpx2": run_httpx2,
    "openai": run_openai,
    "litellm": run_litellm,
    "litellm_router": run_litellm_router,
}

if __name__ == "__main__":
    asyncio.run(VARIANTS[sys.argv[1]](sys.argv[2]))
