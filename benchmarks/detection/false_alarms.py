"""
False alarms: event-F1 at no more than one false alarm a series-week, and super-alarms of quiet series.

``python -m benchmarks.detection.false_alarms [--data FOLDER] [--quiet N]``. The first part runs on
``ms_cloud_monitoring`` (labelled production telemetry, several series without any anomaly). The second
feeds the whole engine – judge, false-discovery rate, alarm clusters, root cause – with quiet
series whose noise is resampled from those real series, and counts super-alarms.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules
from aiops_provider.detection.scoring.scoreboard import ScoredSeries, score_all
from aiops_provider.detection.scoring.windows import Floats
from aiops_provider.detection.watch import Watch
from benchmarks.command import Options, run
from benchmarks.detection.causal_peers import PEERS, as_scores
from benchmarks.detection.labelled_series import LabelledSeries, read_cloud_monitoring
from benchmarks.detection.quiet_series import START, hour_of, quiet_values
from benchmarks.detection.shipped_detectors import SEASONAL, shipped_p_values
from benchmarks.report import Report, at_least, at_most

# From the NAB benchmark, where it was chosen; nothing was chosen here.
P_VALUE, REST = 0.0035, 100
_BUDGET = 1.0  # false alarms per series-week
_DELAY = 7  # samples; later detections find nothing
_THRESHOLDS = np.concatenate((np.linspace(0.05, 0.9, 86), np.linspace(0.91, 0.99, 9)))
_HISTORY, _JUDGED = 48, 24


def measure(options: Options) -> Report:
    """Score all detectors, then watch quiet series."""
    series = read_cloud_monitoring(options.data / "ms_cloud_monitoring")
    scored = {
        name: [as_scores(p) for p in p_values]
        for name, p_values in shipped_p_values(series).items()
    }
    scored |= {
        name: [scorer(one, options.seed) for one in series] for name, scorer in PEERS.items()
    }
    fixed = float(as_scores(np.array([P_VALUE]))[0])
    rows = [
        _row(f"{name}, p <= {P_VALUE}", series, scores, fixed) for name, scores in scored.items()
    ]
    best: dict[str, float] = {}
    for name, scores in scored.items():
        row = _within_budget(name, series, scores)
        rows.append(row)
        best[name] = row["event-F1"]
    super_alarms, alarms, samples = _quiet_weeks(series, options.extra.quiet, options.seed)
    rows.append(
        {
            "peer": f"aiops engine on {options.extra.quiet} quiet series",
            "series": options.extra.quiet,
            "series-weeks": samples / 168.0,
            "alarms": alarms,
            "super-alarms": super_alarms,
        }
    )
    others = max(value for name, value in best.items() if not name.startswith("aiops"))
    most = _most_events(super_alarms) * 168.0 / _JUDGED
    return Report(
        bench="detection.false_alarms",
        data="ms_cloud_monitoring",
        seed=options.seed,
        rows=rows,
        musts=[
            at_least(
                f"event-F1 of {SEASONAL} within one false alarm a series-week, less the best peer's",
                best[SEASONAL] - others,
                0.0,
            ),
            at_most(
                "false super-alarms a week of the installation",
                super_alarms * 168.0 / _JUDGED,
                2.0,
            ),
        ],
        notes=[
            f"An anomaly counts as found within {_DELAY} samples; a detection is followed by {REST} "
            "samples of silence; series without anomalies count with their false alarms.",
            "Rows 'best threshold within the budget' choose every detector's threshold on these very "
            "files (the best F1 that keeps within one false alarm a series-week): an upper bound for "
            "each, and the same favour for all.",
            f"Quiet series: {_HISTORY} hours of history, {_JUDGED} hours watched, an hourly sample "
            "each; noise are the residuals of the labelled series' normal samples against a running "
            "median, drawn independently. Eight clusters of four providers, a hundred tasks. "
            f"{super_alarms} in {_JUDGED} hours: with 95 % confidence fewer than {most:.3g} a week.",
        ],
    )


def _row(
    peer: str, series: Sequence[LabelledSeries], scores: Sequence[Floats], threshold: float
) -> dict[str, Any]:
    board = score_all(
        [
            ScoredSeries(name=one.name, scores=score, windows=one.windows, cadence_s=one.cadence_s)
            for one, score in zip(series, scores, strict=True)
        ],
        threshold=threshold,
        rest=REST,
        delay=_DELAY,
    )
    events = board.events
    return {
        "peer": peer,
        "series": board.series,
        "series-weeks": events.series_weeks,
        "threshold": threshold,
        "anomalies": events.events,
        "found": events.found,
        "event-F1": events.f1,
        "precision": events.precision,
        "false alarms / series-week": events.false_alarms_per_series_week,
        "VUS-PR": board.vus_pr,
    }


def _within_budget(
    name: str, series: Sequence[LabelledSeries], scores: Sequence[Floats]
) -> dict[str, Any]:
    plain = [
        ScoredSeries(name=one.name, scores=score, windows=one.windows, cadence_s=one.cadence_s)
        for one, score in zip(series, scores, strict=True)
    ]
    found = [(_events(plain, threshold), threshold) for threshold in _THRESHOLDS]
    allowed = [
        (events.f1, threshold)
        for events, threshold in found
        if events.false_alarms_per_series_week <= _BUDGET
    ]
    threshold = max(allowed)[1] if allowed else 1.0
    return _row(f"{name}, best threshold within the budget", series, scores, threshold)


def _events(series: Sequence[ScoredSeries], threshold: float) -> Any:
    from aiops_provider.detection.scoring.events import EventCounts, count_events
    from aiops_provider.detection.scoring.nab import probation
    from aiops_provider.detection.scoring.onset import onsets

    total = EventCounts()
    for one in series:
        total += count_events(
            onsets(one.scores, threshold, rest=REST),
            one.windows,
            begin=probation(len(one.scores)),
            cadence_s=one.cadence_s,
            delay=_DELAY,
        )
    return total


def _quiet_weeks(series: Sequence[LabelledSeries], count: int, seed: int) -> tuple[int, int, int]:
    """Super-alarms, alarms and samples of a day without any cause."""
    values = quiet_values(series, count, _HISTORY + _JUDGED, np.random.default_rng(seed))
    watch = Watch(WatchConfig(), default_rules())
    super_alarms: set[str] = set()
    alarms: set[str] = set()
    for hour in range(_HISTORY + _JUDGED):
        batch = list(hour_of(hour, values[:, hour]))
        if hour < _HISTORY:
            watch.learn(batch)
            continue
        watch.observe(batch)
        told = watch.evaluate(START + timedelta(hours=hour, minutes=1))
        super_alarms |= {one.id for one in told.super_alarms}
        alarms |= {one.id for one in told.alarms}
    return len(super_alarms), len(alarms), count * _JUDGED


def _most_events(seen: int) -> float:
    """Upper 95 % limit of a Poisson mean, one-sided (exact, by the gamma distribution)."""
    from scipy import stats

    return float(stats.gamma.ppf(0.95, seen + 1))


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", type=int, default=100_000, metavar="N", help="quiet series")


if __name__ == "__main__":
    raise SystemExit(run("detection", measure, add_options=_options))
