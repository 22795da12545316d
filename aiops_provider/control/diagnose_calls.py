"""Finds the service at fault from KPIs of services and the calls between them, both in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.detection.localisation.calls import ServiceCause, ServiceSeries, rank_services
from aiops_provider.errors import DataError

_KPI_MEND = "Give it the columns observed_at, service, value and, if known, requests."
_CALLS_MEND = "Give it the columns caller, callee."


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDiagnosis:
    """
    Services that may be at fault.

    Attributes:
        target: The service that users complain about.
        onset: When the trouble was said to have begun.
        moments: Sampling moments that were read.
        causes: Services with harm of their own, the most likely first.
    """

    target: str
    onset: datetime
    moments: int
    causes: tuple[ServiceCause, ...]


def diagnose_calls(
    kpis: Path, calls: Path, *, target: str, onset: datetime, lower_is_worse: bool = False
) -> CallDiagnosis:
    """
    Rank.

    Args:
        kpis: CSV or JSON lines with ``observed_at``, ``service``, ``value`` and maybe ``requests``.
        calls: CSV or JSON lines with ``caller`` and ``callee``.
        target: The service that users complain about.
        onset: When the trouble began, right within a sampling period.
        lower_is_worse: Of a KPI such as availability.

    Raises:
        DataError: A file cannot be used, or says nothing of the target; with what to mend.
    """
    moments, series = _read_kpis(kpis)
    if len(moments) < 2:
        raise DataError("holds fewer than two moments", file=str(kpis), mend=_KPI_MEND)
    if target not in series:
        raise DataError(
            "nothing was measured of this service",
            field="target",
            value=target,
            file=str(kpis),
            mend=f"Name one of {', '.join(sorted(series)[:8])}.",
        )
    if not moments[0] <= onset <= moments[-1]:
        raise DataError(
            "is outside of what was measured",
            field="onset",
            value=onset.isoformat(),
            file=str(kpis),
            mend=f"Name a moment from {moments[0].isoformat()} to {moments[-1].isoformat()}.",
        )
    found = rank_services(
        series,
        [(_required(row, "caller"), _required(row, "callee")) for row in read_rows(calls)],
        moments=[moment.timestamp() for moment in moments],
        onset=onset.timestamp(),
        target=target,
        higher_is_worse=not lower_is_worse,
    )
    return CallDiagnosis(
        target=target,
        onset=onset,
        moments=len(moments),
        causes=tuple(one for one in found if one.own > 0.0),
    )


def _read_kpis(file: Path) -> tuple[list[datetime], Mapping[str, ServiceSeries]]:
    rows = list(read_rows(file))
    read = [(_moment(row), _required(row, "service"), row) for row in rows]
    moments = sorted({moment for moment, _, _ in read})
    place = {moment: number for number, moment in enumerate(moments)}
    counted = any("requests" in row.values for row in rows)
    values: dict[str, list[float]] = {}
    requests: dict[str, list[float]] = {}
    for moment, service, row in read:
        for name, table in (("value", values), ("requests", requests)):
            figures = table.setdefault(service, [float("nan")] * len(moments))
            number = row.number(name)
            if number is not None:
                figures[place[moment]] = number
    return moments, {
        service: ServiceSeries(_floats(figures), _floats(requests[service]) if counted else None)
        for service, figures in values.items()
    }


def _floats(figures: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(figures, dtype=np.float64)


def _moment(row: Row) -> datetime:
    moment = row.moment("observed_at")
    if moment is None:
        raise row.wrong("observed_at", "is missing", _KPI_MEND)
    return moment


def _required(row: Row, field: str) -> str:
    text = row.text(field, "")
    if not text:
        mend = _CALLS_MEND if field in {"caller", "callee"} else _KPI_MEND
        raise row.wrong(field, "is missing", mend)
    return text
