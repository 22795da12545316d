"""All scores of one detector over several labelled series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aiops_provider.detection.scoring.events import EventCounts, count_events
from aiops_provider.detection.scoring.nab import PROFILES, nab_points, nab_score, probation
from aiops_provider.detection.scoring.onset import onsets
from aiops_provider.detection.scoring.volume import vus_pr
from aiops_provider.detection.scoring.windows import Floats, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSeries:
    """
    What a detector said about one series, and what was really wrong.

    Attributes:
        name: Of the series.
        scores: In [0, 1], one per sample, in order of time.
        windows: Labelled anomalies.
        cadence_s: Seconds between two samples.
    """

    name: str
    scores: Floats
    windows: Sequence[Window]
    cadence_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoreboard:
    """
    Scores over all series.

    Attributes:
        series: How many.
        samples: How many.
        threshold: Score from which on a sample counts as detected.
        nab_standard: NAB's score, 0 to 100; NaN if nothing is labelled.
        nab_low_fp: The same, false alarms cost twice.
        nab_low_fn: The same, missed anomalies cost twice.
        vus_pr: Mean over the series that have labels; NaN without any.
        events: Alarms and anomalies.
    """

    series: int
    samples: int
    threshold: float
    nab_standard: float
    nab_low_fp: float
    nab_low_fn: float
    vus_pr: float
    events: EventCounts


def score_all(
    series: Iterable[ScoredSeries],
    *,
    threshold: float,
    rest: int = 0,
    delay: int | None = None,
) -> Scoreboard:
    """
    Score a detector with one threshold for all series, fixed beforehand.

    The first 15 % of each series (at most 750 samples) are the detector's to learn: neither
    detections nor anomalies there count, in NAB and in the events alike.

    Args:
        series: Scored and labelled.
        threshold: Score from which on a sample counts as detected.
        rest: After a detection so many samples are silent, as a pager is; a deviation that lasts is
            told again afterwards. 0: every sample counts by itself.
        delay: Latest detection that finds an anomaly, in samples after its begin.
    """
    everything = list(series)
    points = dict.fromkeys(PROFILES, 0.0)
    windows, samples, events = 0, 0, EventCounts()
    volumes = []
    for one in everything:
        detected = onsets(one.scores, threshold, rest=rest)
        begin = probation(len(detected))
        counted = [window for window in one.windows if window[1] >= begin]
        for name, profile in PROFILES.items():
            points[name] += nab_points(detected, counted, profile)
        windows += len(counted)
        samples += len(detected)
        events += count_events(detected, counted, begin=begin, cadence_s=one.cadence_s, delay=delay)
        if counted:
            volumes.append(vus_pr(one.scores, one.windows))
    nab = {name: nab_score(points[name], windows, PROFILES[name]) for name in PROFILES}
    return Scoreboard(
        series=len(everything),
        samples=samples,
        threshold=threshold,
        nab_standard=nab["standard"],
        nab_low_fp=nab["low_fp"],
        nab_low_fn=nab["low_fn"],
        vus_pr=float(np.mean(volumes)) if volumes else float("nan"),
        events=events,
    )
