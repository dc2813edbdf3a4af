"""The dashboard: pages for people, rendered here, kept fresh by the service's event stream.

    pages/      one file for each noun: parses the request, reads, picks the template; forms post to it
    queries/    what a page shows, read within bounds: keyset pages, never a count over everything
    templates/  Jinja2; a page is whole, or one block of it when the request names it in `X-Fragment`
    static/     one style sheet and small modules of our own: no third party's script, no build step

Hand `routers` to the `Service` as what it serves besides the API.
"""

from roadworthy.dashboard.site import routers

__all__ = ["routers"]
