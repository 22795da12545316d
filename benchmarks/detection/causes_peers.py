"""
Peers that rank services by how far their KPIs moved, from their public descriptions.

BARO's RobustScorer (Pham et al., FSE 2024): the largest distance from the median of the normal samples in
interquartile ranges. N-Sigma: the same with mean and standard deviation. Ranked correlation (Hardt et al.,
PetShop, arXiv 2311.04806): the correlation of a service's KPI with the target's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.detection.labelled_series import Floats
from benchmarks.detection.petshop import Case, Column

Ranking = Callable[[Case, float], list[str]]


def baro(case: Case, onset: float) -> list[str]:
    """RobustScorer over all KPIs, normal is what was before the onset."""
    return _by_score(case, onset, _robust)


def baro_with_quiet_time(case: Case, onset: float) -> list[str]:
    """The same, normal is also the scenario's time without trouble."""
    return _by_score(case, onset, _robust, quiet=True)


def baro_along_calls(case: Case, onset: float) -> list[str]:
    """The same over the target's KPI of services that it reaches by calls."""
    reached = _reached(case)
    _, metric, statistic = case.target
    return _by_score(
        case,
        onset,
        lambda before, after: abs(_robust(before, after)),
        quiet=True,
        keep=lambda column: column[1:] == (metric, statistic) and column[0] in reached,
    )


def n_sigma(case: Case, onset: float) -> list[str]:
    """Standard deviations from the mean, over all KPIs."""
    return _by_score(case, onset, _sigma)


def correlation(case: Case, _onset: float) -> list[str]:
    """Rank correlation with the target's KPI over the whole case; it needs no onset."""
    from scipy.stats import rankdata

    target = case.metrics.of(case.target)
    assert target is not None
    scores: dict[str, float] = {}
    for column, values in _columns(case):
        if column[1:] != case.target[1:] or column[0] == case.target[0]:
            continue
        both = np.isfinite(values) & np.isfinite(target)
        if both.sum() < 3 or np.ptp(values[both]) == 0 or np.ptp(target[both]) == 0:
            continue
        ranks = np.corrcoef(rankdata(values[both]), rankdata(target[both]))
        scores[column[0]] = float(abs(ranks[0, 1]))
    return _ordered(scores)


PEERS: dict[str, Ranking] = {
    "BARO": baro,
    "BARO, with quiet time": baro_with_quiet_time,
    "BARO, along calls": baro_along_calls,
    "N-Sigma": n_sigma,
    "ranked correlation": correlation,
}


def random_ranking(case: Case, rng: np.random.Generator) -> list[str]:
    """Every service that the target reaches, shuffled."""
    names = sorted(_reached(case))
    return [names[place] for place in rng.permutation(len(names))]


def _robust(before: Floats, after: Floats) -> float:
    low, middle, high = np.percentile(before, [25.0, 50.0, 75.0])
    return float(((after - middle) / ((high - low) or 1.0)).max())


def _sigma(before: Floats, after: Floats) -> float:
    return float(((after - before.mean()) / (before.std() or 1.0)).max())


def _by_score(
    case: Case,
    onset: float,
    score: Callable[[Floats, Floats], float],
    *,
    quiet: bool = False,
    keep: Callable[[Column], bool] = lambda _: True,
) -> list[str]:
    earlier = case.metrics.moments < onset
    scores: dict[str, float] = {}
    for column, values in _columns(case):
        if not keep(column):
            continue
        before, after = values[earlier], values[~earlier]
        if quiet and case.quiet is not None:
            past = case.quiet.of(column)
            before = before if past is None else np.concatenate((past, before))
        before, after = np.nan_to_num(before), np.nan_to_num(after)
        # Columns that never change are left out, as in the published code.
        if len(before) and len(after) and np.ptp(before) > 0 and np.ptp(after) > 0:
            scores[column[0]] = max(scores.get(column[0], -np.inf), score(before, after))
    return _ordered(scores)


def _columns(case: Case) -> Iterator[tuple[Column, Floats]]:
    yield from zip(case.metrics.columns, case.metrics.values.T, strict=True)


def _ordered(scores: dict[str, float]) -> list[str]:
    return sorted(scores, key=lambda name: (-scores[name], name))


def _reached(case: Case) -> set[str]:
    found, waiting = {case.target[0]}, [case.target[0]]
    for name in waiting:
        for caller, callee in case.calls:
            if caller == name and callee not in found:
                found.add(callee)
                waiting.append(callee)
    return found
