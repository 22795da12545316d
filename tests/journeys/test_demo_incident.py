"""The incident of the demo without its Airflow: what the acts rely on, in virtual time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiops_provider.cli.demo.history import TASK, kpi_history, past_periods
from aiops_provider.cli.demo.partitions import PARTITIONS, Hospitals, broken, freeze_model, kpis
from aiops_provider.control.outcome_kpis import outcome_samples
from aiops_provider.control.watch import read_rules, watch_config
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.alarm import CauseKind, ResponseAction
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.task import TaskRun
from aiops_provider.settings.load import load_settings

EXAMPLES = Path(__file__).parents[2] / "dags_examples"
START = datetime(2026, 1, 19, 12, tzinfo=UTC)
PERIOD = timedelta(seconds=5)
# How many of the 25 tasks each cluster is given in the demo: eight of a quarter core fill two.
SPREAD = {"onprem": 8, "aws-us-east-1": 8, "azure-westeurope": 8, "aws-sa-east-1": 1}
AWS = frozenset({"aws-us-east-1", "aws-sa-east-1"})


class Installation:
    """Hospitals, a watch that knows their past, and runs of the partition DAG."""

    def __init__(self):
        self.settings = load_settings(EXAMPLES / "aiops.yaml", environ={})
        self.clusters = {spec.name: spec for spec in self.settings.cluster_specs}
        detection = self.settings.detection
        self.watch = Watch(
            watch_config(detection),
            read_rules(detection.rules_file),
            clusters=self.settings.cluster_specs,
        )
        self.hospitals, self.model = Hospitals(), freeze_model()
        self.generator = random.Random(1)  # noqa: S311 - a simulation
        past = {}
        for sample in kpi_history(self.hospitals, self.model, past_periods(START)):
            past.setdefault(sample.series, []).append((sample.observed_at, sample.value))
        self.watch.prime(past)

    def samples(self, run_id, began_at, *, corrupt=frozenset()):
        """What one run reports within 15 seconds: 32 KPIs per task and those of its end."""
        places = [name for name, count in SPREAD.items() for _ in range(count)]
        reported = []
        for index, (hospital, name) in enumerate(zip(PARTITIONS, places, strict=True)):
            cluster = self.clusters[name]
            at = began_at + timedelta(seconds=3 + 10 * self.generator.random())
            record = ExecutionRecord(
                run=TaskRun(TASK, run_id, index),
                cluster=name,
                provider=cluster.provider,
                region=cluster.region,
                pool=cluster.pools[0].name,
                started_at=began_at,
                ended_at=at + timedelta(seconds=1),
                outcome=Outcome.SUCCESS,
                usage=Usage(peak_memory_gib=0.07, cpu_seconds=0.6, duration_s=8.0),
            )
            ends = outcome_samples(record)
            rows = self.hospitals.rows(hospital, began_at)
            found = kpis(broken(rows) if name in corrupt else rows, self.model)
            for (kpi, feature), value in found.items():
                dimensions = {"dag": "partitions", "task": "check", "partition": str(index)}
                reported.append(
                    KpiSample(
                        name=kpi,
                        observed_at=at,
                        value=value,
                        dimensions={**dimensions, **({"feature": feature} if feature else {})},
                        context=ends[0].context,
                    )
                )
            reported += ends
        return reported

    def go_through(self, samples, began_at):
        """Look at them every five seconds; returns the latest state of each super-alarm."""
        told = {}
        for step in range(5):
            since, until = began_at + step * PERIOD, began_at + (step + 1) * PERIOD
            self.watch.observe(one for one in samples if since <= one.observed_at < until)
            told |= {one.id: one for one in self.watch.evaluate(until).super_alarms}
        return list(told.values())


@pytest.fixture(scope="module")
def told():
    """Super-alarms of a healthy run, and of the bad one that follows at once."""
    installation = Installation()
    bad = START + timedelta(seconds=20)
    healthy = installation.go_through(installation.samples("good", START), START)
    incident = installation.go_through(installation.samples("bad", bad, corrupt=AWS), bad)
    return healthy, incident


def test_healthy_data_make_no_super_alarm(told):
    """The generated history is like what the DAG reports."""
    assert told[0] == []


def test_bad_data_of_one_provider_are_one_super_alarm(told):
    """Nine tasks of 32 KPIs each are told once, with the provider as root cause."""
    (incident,) = told[1]
    assert len(incident.alarms) > 250
    assert incident.root_cause.best.cause == {"provider": "aws"}
    assert incident.root_cause.best.kind is CauseKind.CLUSTER


def test_the_provider_s_clusters_are_put_into_quarantine(told):
    """Both of them, although one ran a single task; the run before was fine on both."""
    (incident,) = told[1]
    assert incident.response is not None
    assert incident.response.action is ResponseAction.QUARANTINE
    assert set(incident.response.clusters) == AWS


def test_a_day_without_incident_stays_quiet():
    """Six healthy runs raise no super-alarm, whatever the noise."""
    installation = Installation()
    for number in range(6):
        began_at = START + number * timedelta(seconds=30)
        samples = installation.samples(f"run-{number}", began_at)
        assert installation.go_through(samples, began_at) == []


def test_the_failing_dag_s_name_is_known():
    """The acts ask for the task that dags_examples/failing.py defines."""
    from aiops_provider.cli.demo.acts.incident import BROKEN_TASK

    text = (EXAMPLES / "failing.py").read_text(encoding="utf-8")
    assert f"def {BROKEN_TASK.namespace}(" in text
    assert f"def {BROKEN_TASK.name}(" in text


def test_nobody_promises_free_machines():
    """Every pool of the demo has a declared price, so that costs can be told."""
    settings = load_settings(EXAMPLES / "aiops.yaml", environ={})
    assert all(pool.price_usd_per_hour for spec in settings.cluster_specs for pool in spec.pools)
