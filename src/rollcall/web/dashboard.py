"""The first page of a superuser: how the user base stands."""

from __future__ import annotations

from flask import flash, make_response, redirect, render_template, request, url_for
from werkzeug import Response

from rollcall.infra import runtime
from rollcall.infra.database import session
from rollcall.services.search import user_search
from rollcall.services.search.user_search import UserFilter
from rollcall.services.statistics import numbers
from rollcall.web import access, chart
from rollcall.web.blueprint import blueprint

CHART_DAYS = (7, 30, 90, 365)
_LATEST = 10


@blueprint.get("/dashboard")
@access.superuser
def dashboard() -> Response:
    """The six statistics, the sign-ups of some days (``?days=30``), and the latest ten users."""
    now = runtime.now()
    asked = request.args.get("days")
    days = next((days for days in CHART_DAYS if str(days) == asked), 30)
    stats = numbers.cached(session(), now, runtime.settings().stats_ttl)
    page = render_template(
        "dashboard.html",
        stats=stats.value,
        stats_age=stats.age,
        users=user_search.numbered_page(session(), UserFilter(), 1, _LATEST).items,
        chart=chart.sign_ups(numbers.signups(session(), now, days)),
        days=days,
        choices=CHART_DAYS,
        here=access.here(),
    )
    return make_response(page)


@blueprint.post("/dashboard/refresh")
@access.superuser
def refresh() -> Response:
    """Compute the statistics now, and go back to them."""
    numbers.refresh(session(), runtime.now(), runtime.settings().stats_ttl)
    flash("The statistics are computed anew.")
    return redirect(access.own_path(request.form.get("next")) or url_for(".dashboard"))
