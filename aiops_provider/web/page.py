"""The page for people: plan, routes, profiles and super-alarms, rendered here, without scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from aiops_provider import __version__
from aiops_provider.control.tokens import Scope
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.web.auth import Requires, installation_of
from aiops_provider.web.overview import is_open, read_overview

router = APIRouter(tags=["page"])

Task = Annotated[str | None, Query(description="namespace/name")]
Refresh = Annotated[int, Query(ge=0, le=3600, description="Seconds between reloads; 0: never.")]


@router.get(
    "/",
    response_class=HTMLResponse,
    dependencies=[Depends(Requires(Scope.READ, page=True))],
    include_in_schema=False,
)
def show_page(
    request: Request,
    *,
    refresh: Refresh = 0,
    task: Task = None,
    run_id: str | None = None,
    map_index: Annotated[int, Query(ge=-1)] = -1,
    try_number: Annotated[int, Query(ge=1)] = 1,
) -> HTMLResponse:
    """The page; with a task and a run, the routes are those of that try."""
    of = None
    if task is not None and run_id is not None:
        of = TaskRun(TaskKey.parse(task), run_id, map_index, try_number)
    overview = read_overview(installation_of(request), utc_now(), of)
    text = (
        _environment()
        .get_template("page.html.j2")
        .render(overview=overview, refresh=refresh, version=__version__)
    )
    return HTMLResponse(text)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("aiops_provider.web"),
        autoescape=True,  # names of tasks and clusters come from users
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": _moment,
        "figure": _figure,
        "usd": _usd,
        "seconds": _seconds,
        "percent": _percent,
        "cause": _cause,
        "p_value": _p_value,
    }
    environment.tests["ongoing"] = is_open
    return environment


def _moment(value: datetime | None) -> str:
    return "–" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _figure(value: float | None, digits: int = 2) -> str:
    """
    A number for people: no trailing zeros, a dash for what is unknown.

    >>> _figure(2.50), _figure(None), _figure(1234.0)
    ('2.5', '–', '1,234')
    """
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _usd(value: float | None) -> str:
    """
    Money; small amounts keep two significant digits.

    >>> _usd(12.0), _usd(0.00123), _usd(0.0), _usd(None)
    ('$12.00', '$0.0012', '$0', '–')
    """
    if value is None:
        return "–"
    if value == 0:
        return "$0"
    if value >= 0.1:
        return f"${value:,.2f}"
    return "$" + f"{value:.{_leading_zeros(value) + 2}f}".rstrip("0")


def _leading_zeros(value: float) -> int:
    zeros = 0
    while value < 0.1 and zeros < 8:
        value, zeros = value * 10, zeros + 1
    return zeros


def _seconds(value: float | None) -> str:
    """
    A duration in the unit that people would use.

    >>> _seconds(0.42), _seconds(75), _seconds(7300)
    ('0.42 s', '1.2 min', '2 h')
    """
    if value is None:
        return "–"
    for limit, divisor, unit, digits in (
        (60, 1, "s", 2),
        (3600, 60, "min", 1),
        (172_800, 3600, "h", 1),
    ):
        if value < limit:
            return f"{_figure(value / divisor, digits)} {unit}"
    return f"{_figure(value / 86_400, 1)} d"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{_figure(value * 100, 1)} %"


def _p_value(value: float) -> str:
    """
    A probability; the small ones in powers of ten.

    >>> _p_value(0.2), _p_value(1e-9)
    ('0.2', '1e-09')
    """
    return f"{value:.2g}"


def _cause(cause: Any) -> str:
    return " and ".join(f"{name} = {value}" for name, value in cause.items()) or "nothing in common"
