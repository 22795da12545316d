"""
A cluster whose own metrics are in alarm names itself: nothing has to be inferred from its tasks.

Tasks vary by what they do as well as by where they run, so a cause is found by comparing many. The metrics
of a cluster are about that cluster and nothing else; what may be doubted is only whether the alarm is
a false one, and whether the tasks care.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import comb

from aiops_provider.detection.attributes import execution_of, is_fault_metric
from aiops_provider.detection.evidence import Row
from aiops_provider.domain.alarm import CauseKind, Hypothesis, RootCause
from aiops_provider.domain.kpi import FAULT_WHEN

# A false alarm is over at the next sample or the one after: a metric that stays in alarm so long is
# another witness, but it depends on itself, so that it is never more than three.
_SAMPLES_PER_WITNESS = 3
_MOST_WITNESSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ailment:
    """
    What the metrics of one cluster say.

    Attributes:
        rows: Metrics in alarm that mean a fault.
        known: Metrics that could mean one, in alarm or not.
        witnesses: How much the rows say.
    """

    rows: tuple[Row, ...]
    known: int
    witnesses: int

    def p_value(self, share: float, clusters: int) -> float:
        """Probability that false alarms say as much about any of so many clusters."""
        ways = comb(self.known, len(self.rows))
        return float(min(1.0, ways * share**self.witnesses * clusters))


def own_rows(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Part rows into those about clusters themselves and all others."""
    own: list[Row] = []
    others: list[Row] = []
    for row in rows:
        (others if row.series.cluster is None else own).append(row)
    return own, others


def ailing_clusters(
    own_alarmed: Sequence[Row],
    own_healthy: Sequence[Row],
    others_alarmed: Sequence[Row],
    others_healthy: Sequence[Row],
    *,
    share: float,
    most_p: float,
) -> Iterator[tuple[tuple[Row, ...], RootCause]]:
    """
    Clusters that are unwell by their own metrics.

    Args:
        own_alarmed: Metrics of clusters, in alarm.
        own_healthy: Metrics of clusters that are not.
        others_alarmed: What else is in alarm.
        others_healthy: What else was healthy at that time.
        share: Share of all KPIs that are in false alarm at a time.
        most_p: Chance may explain at most this.

    Yields:
        The metrics that say so, and the root cause that names the cluster. Its confidence counts each
        witness and each execution on the cluster once: tasks that end well there speak against.
    """
    ailments = dict(_ailments(own_alarmed, own_healthy))
    clusters = len({row.series.cluster for row in (*own_alarmed, *own_healthy)})
    for cluster, ailment in sorted(ailments.items()):
        p_value = ailment.p_value(share, clusters)
        if p_value > most_p:
            continue
        bad = _executions(others_alarmed, cluster)
        fine = _executions(others_healthy, cluster) - bad
        yield (
            ailment.rows,
            _root_cause(cluster, ailment, p_value=p_value, bad=len(bad), fine=len(fine)),
        )


def means_fault(row: Row) -> bool:
    """Whether an alarmed metric of a cluster went the way that means a fault."""
    if not is_fault_metric(row.series, row.attributes):
        return False
    fault_when = row.attributes.get(FAULT_WHEN)
    if fault_when == "high":
        return row.value > row.expected
    return fault_when == "low" and row.value < row.expected


def _ailments(alarmed: Sequence[Row], healthy: Sequence[Row]) -> Iterator[tuple[str, _Ailment]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    known: dict[str, set[object]] = defaultdict(set)
    for row in (*alarmed, *healthy):
        if row.series.cluster is not None and is_fault_metric(row.series, row.attributes):
            known[row.series.cluster].add(row.series)
    for row in alarmed:
        if row.series.cluster is not None and means_fault(row):
            rows[row.series.cluster].append(row)
    for cluster, faults in rows.items():
        weights = [min(_MOST_WITNESSES, 1 + row.times // _SAMPLES_PER_WITNESS) for row in faults]
        yield (
            cluster,
            _Ailment(rows=tuple(faults), known=len(known[cluster]), witnesses=sum(weights)),
        )


def _executions(rows: Iterable[Row], cluster: str) -> set[object]:
    return {
        execution_of(row.attributes) for row in rows if row.attributes.get("cluster") == cluster
    }


def _root_cause(
    cluster: str, ailment: _Ailment, *, p_value: float, bad: int, fine: int
) -> RootCause:
    against = ailment.witnesses + bad
    # Jeffreys' estimate, as for causes that are found by comparison.
    precision = (against + 0.5) / (against + fine + 1.0)
    names = ", ".join(sorted({row.series.name for row in ailment.rows}))
    return RootCause(
        hypotheses=(
            Hypothesis(
                cause={"cluster": cluster},
                kind=CauseKind.CLUSTER,
                support=1.0,
                precision=precision,
                lift=1.0,
                p_value=p_value,
                confidence=precision * (1.0 - p_value),
                counter_evidence=(
                    f"{fine} executions there were healthy meanwhile." if fine else ""
                ),
                next_check=f"Look at {names} of {cluster}, and whether tasks there still end well.",
            ),
        )
    )
