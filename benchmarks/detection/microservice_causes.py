"""
Microservices: which service is at fault when users of another one complain?

``python -m benchmarks.detection.microservice_causes [--data FOLDER]``: the cases of ``petshop_rca``, with
the onset as labelled and wrong by one sample to either side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aiops_provider.detection.localisation.calls import ServiceSeries, rank_services
from benchmarks.command import Options, run
from benchmarks.detection.causes_peers import PEERS, random_ranking
from benchmarks.detection.labelled_series import Floats
from benchmarks.detection.petshop import Case, read_petshop
from benchmarks.report import Report, at_least, at_most

_RESAMPLES = 5_000
_TOP = 5
_OURS = "aiops"


def measure(options: Options) -> Report:
    """Rank the services of every case, score against the label."""
    cases = read_petshop(options.data / "petshop_rca")
    rng = np.random.default_rng(options.seed)
    methods: dict[str, Callable[[Case, float], list[str]]] = {_OURS: ours, **PEERS}
    methods["random"] = lambda case, _: random_ranking(case, rng)
    rows: list[dict[str, Any]] = []
    places: dict[tuple[str, int], Floats] = {}
    for name, rank in methods.items():
        started = time.process_time()
        for shift in (0, -1, 1):
            places[name, shift] = np.array(
                [_place(rank(case, case.onset + shift * case.period), case) for case in cases]
            )
        spent = (time.process_time() - started) / (3 * len(cases))
        exact = places[name, 0]
        rows.append(
            {
                "peer": name,
                "cases": len(cases),
                "Avg@5": _average(exact).mean(),
                "top-1": (exact == 1).mean(),
                "top-3": (exact <= 3).mean(),
                "Avg@5, a sample early": _average(places[name, -1]).mean(),
                "Avg@5, a sample late": _average(places[name, 1]).mean(),
                "ms per case": 1000.0 * spent,
            }
        )
    best = max(PEERS, key=lambda name: _average(places[name, 0]).mean())
    lower, upper = _interval(_average(places[_OURS, 0]) - _average(places["BARO", 0]), options.seed)
    lost = max(
        int((places[_OURS, 0] <= 1).sum()) - int((places[_OURS, shift] <= 1).sum())
        for shift in (-1, 1)
    )
    return Report(
        bench="detection.microservice_causes",
        data="petshop_rca",
        seed=options.seed,
        rows=rows,
        musts=[
            at_least("Avg@5 less BARO's, lower bound of the paired 95 % interval", lower, -0.03),
            at_most("cases lost at top-1, net, by an onset wrong by a sample", lost, 1),
        ],
        notes=[
            f"Avg@5: mean over k = 1 … 5 of the share of cases whose culprit is among the first k. Paired "
            f"bootstrap over {len(cases)} cases, {_RESAMPLES} resamples: aiops less BARO "
            f"[{lower:.3f}, {upper:.3f}]; the best peer here is {best}.",
            "The call graph is given to aiops, to 'BARO, along calls' and to random; the others do not use "
            "one. 'With quiet time': the hours without trouble, where a scenario has them, are normal "
            "too; else only what a case shows before its onset, two samples in most.",
        ],
    )


def ours(case: Case, onset: float) -> list[str]:
    """The engine's ranking."""
    _, metric, statistic = case.target
    series = {
        name: ServiceSeries(values, case.metrics.of((name, "requests", "Sum")))
        for name, kind, aggregate in case.metrics.columns
        if (kind, aggregate) == (metric, statistic)
        for values in [case.metrics.of((name, kind, aggregate))]
        if values is not None
    }
    found = rank_services(
        series,
        case.calls,
        moments=list(case.metrics.moments),
        onset=onset,
        target=case.target[0],
        higher_is_worse=metric != "availability",
    )
    return [one.service for one in found]


def _place(ranking: Sequence[str], case: Case) -> float:
    """Place of the culprit from 1; infinite if it is not ranked."""
    return ranking.index(case.culprit) + 1.0 if case.culprit in ranking else np.inf


def _average(places: Floats) -> Floats:
    found: Floats = np.mean([places <= top for top in range(1, _TOP + 1)], axis=0)
    return found


def _interval(differences: Floats, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    drawn = rng.choice(differences, size=(_RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    raise SystemExit(run("detection", measure))
