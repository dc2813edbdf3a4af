"""The OpenAI-compatible gateway: an unchanged prototype gets routes, fallback, budgets, cache and records.

body        bytes ──► a form that is understood (`chat_form.py`, …)
caller      who asks, and what they say about it in headers
desk        order ──► call, through the same pipeline as every other
asking      the call under way, while its client may leave
stream      its pieces as server-sent events
fault       whatever goes wrong, in OpenAI's shape
"""

from roadworthy.service.gateway.asking import UnderWay
from roadworthy.service.gateway.caller import Authenticate, Caller
from roadworthy.service.gateway.router import router

__all__ = ["Authenticate", "Caller", "UnderWay", "router"]
