"""
Drift of a task's data, judged where the data are: only figures ever leave the worker.

Joins what a worker reports with the tests of the detection; needs ``aiops-provider[drift]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aiops_provider.control.data_profile import (
    MOST_CATEGORIES,
    DataProfile,
    columns_of,
    counted,
    is_numeric,
    missing_rows,
)
from aiops_provider.detection.drift.categorical import categorical_drift
from aiops_provider.detection.drift.numeric import numeric_drift, sketch_drift
from aiops_provider.detection.drift.sketch import Sketch
from aiops_provider.detection.drift.verdict import DriftVerdict
from aiops_provider.telemetry.report import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURE_DRIFT = "feature_drift"
CATEGORY_DRIFT = "category_drift"
MISSING_SHARE = "feature_missing_share"
DRIFTED = "drifted_features"
ABSENT = "absent_features"

_LEVEL = 0.01


def report_drift(
    frame: object,
    reference: object,
    *,
    columns: Sequence[str] | None = None,
    least_effect: float = 0.1,
    **dimensions: object,
) -> Mapping[str, DriftVerdict]:
    """
    Compare the data of now with those of before, column by column, and report how far they moved.

    KPIs: ``feature_drift`` of each numeric column (Wasserstein distance in standard deviations of the
    reference), ``category_drift`` of each other one (share of rows that would have to change),
    ``feature_missing_share``, ``absent_features`` (columns of the reference that are gone) and
    ``drifted_features``: how many moved by more than *least_effect* and more than chance explains,
    corrected for the number of columns (Bonferroni). The frame itself goes nowhere.

    Args:
        frame: As for :meth:`DataProfile.of`.
        reference: Another frame, or a :class:`DataProfile`.
        columns: Only these; default: all that both have.
        least_effect: Smaller drifts do not count, however certain they are.
        **dimensions: As for ``report``.

    Returns:
        The verdict on each column that could be compared.

    Raises:
        DataError: One of both is no data frame, or *frame* lacks one of *columns*.
    """
    now = columns_of(frame, columns)
    known, compare = _comparison(reference)
    wanted = known & set(columns) if columns is not None else known
    verdicts = {
        name: verdict
        for name, values in now.items()
        if name in known and (verdict := compare(name, values)) is not None
    }
    level = _LEVEL / max(len(verdicts), 1)
    drifted = [v for v in verdicts.values() if v.p_value <= level and v.effect >= least_effect]
    for name, verdict in verdicts.items():
        kpi = FEATURE_DRIFT if is_numeric(now[name]) else CATEGORY_DRIFT
        report(kpi, verdict.effect, **{**dimensions, "feature": name})
    for name, values in now.items():
        share = missing_rows(values) / len(values) if len(values) else 0.0
        report(MISSING_SHARE, share, **{**dimensions, "feature": name})
    report(DRIFTED, len(drifted), **dimensions)
    report(ABSENT, len(wanted - now.keys()), **dimensions)
    return verdicts


_Compare = Callable[[str, Any], DriftVerdict | None]


def _comparison(reference: object) -> tuple[set[str], _Compare]:
    """The columns of the reference, and how one of now is compared with them."""
    if isinstance(reference, DataProfile):
        return set(reference.missing), _against_profile(reference)
    before = columns_of(reference)
    return set(before), _against_frame(before)


def _against_frame(before: Mapping[str, NDArray[Any]]) -> _Compare:
    def compare(name: str, values: NDArray[Any]) -> DriftVerdict | None:
        old = before[name]
        if is_numeric(old) and is_numeric(values):
            return numeric_drift(old.astype(np.float64), values.astype(np.float64))
        return _compare_counts(counted(old)[0], counted(values)[0])

    return compare


def _against_profile(before: DataProfile) -> _Compare:
    def compare(name: str, values: NDArray[Any]) -> DriftVerdict | None:
        if name in before.numeric and is_numeric(values):
            return sketch_drift(before.numeric[name], Sketch.of(values.astype(np.float64)))
        if name in before.categories:
            return _compare_counts(before.categories[name], counted(values)[0])
        return None

    return compare


def _compare_counts(before: Mapping[str, int], now: Mapping[str, int]) -> DriftVerdict | None:
    if len(before) > MOST_CATEGORIES:
        return None
    return categorical_drift(before, now)
