"""The first page of a superuser: statistics, sign-ups and the latest users."""

from __future__ import annotations

from datetime import timedelta

from flask import make_response, render_template, request
from werkzeug import Response

from rollcall.infra import runtime
from rollcall.infra.database import session
from rollcall.services.search import user_search
from rollcall.services.search.user_search import UserFilter
from rollcall.services.statistics import numbers
from rollcall.web import access, chart, list_query
from rollcall.web.blueprint import blueprint

CHART_DAYS = (7, 30, 90, 365)
_LATEST = 10


@blueprint.get("/dashboard")
@access.superuser
def dashboard() -> Response:
    """Show the six statistics, the sign-ups of the last days (``?days=30``), and the latest ten users."""
    now = runtime.now()
    asked = request.args.get("days")
    days = next((days for days in CHART_DAYS if str(days) == asked), 30)
    # Not from the cache: what its reader has just changed is in it, and it agrees with the chart and the list below it.
    stats = numbers.refresh(session(), now, runtime.settings().stats_ttl)
    page = render_template(
        "dashboard.html",
        stats=stats.value,
        now=now,
        users=user_search.numbered_page(session(), UserFilter(), 1, _LATEST).items,
        chart=chart.sign_ups(numbers.signups(session(), now, days)),
        days=days,
        choices=CHART_DAYS,
        of_days=list_query.of_days,
        today=now.date(),
        week_start=(now - timedelta(days=7)).isoformat(),
    )
    return make_response(page)
