"""
From patients' records to a served model: ordinary Airflow code.

Nothing here names a cluster, a machine or an amount of memory. Of the layer it only uses
``report``, which does nothing where no layer is installed.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from aiops_provider import report
from aiops_provider.cli.demo import medical as steps

OPTIONS = {
    "schedule": None,
    "params": {"rows": 60_000, "serve_s": 4.0},
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)},
    "tags": ["aiops"],
}


def pipeline() -> None:
    @task
    def transform(params=None, run_id=None) -> int:
        rows = steps.transform(steps.run_folder(run_id), rows=int(params["rows"]))
        report("row_count", rows)
        return rows

    @task
    def features(rows: int, run_id=None) -> int:
        columns = steps.features(steps.run_folder(run_id))
        report("feature_count", columns)
        return rows

    @task.branch
    def choose(rows: int) -> list[str]:
        return [f"train_{candidate}" for candidate in steps.choose_candidates(rows)]

    @task
    def train(candidate: str, run_id=None) -> dict[str, float]:
        def on_batch(batch: int, precision: float) -> None:
            # The same batch of earlier runs is what a batch is compared with.
            report("batch_precision", precision, candidate=candidate, batch=f"{batch:02d}")

        precision = steps.train(candidate, steps.run_folder(run_id), on_batch=on_batch)
        report("precision", precision, candidate=candidate)
        return {candidate: precision}

    @task(trigger_rule="none_failed_min_one_success")
    def compare(trained: list[dict[str, float] | None]) -> str:
        # A candidate that the branch left out has returned nothing.
        return steps.compare({k: v for one in trained if one for k, v in one.items()})

    @task
    def serve(candidate: str, params=None, run_id=None) -> dict[str, float]:
        served = steps.serve(
            steps.run_folder(run_id),
            candidate,
            seconds=float(params["serve_s"]),
            on_second=lambda rate, latency_ms: (
                report("requests_per_s", rate),
                report("latency_p95_ms", latency_ms),
            ),
        )
        if served.failures:
            raise RuntimeError(f"{served.failures} scoring requests failed")
        return {"requests": served.requests, "requests_per_s": served.requests_per_s}

    branch = choose(features(transform()))
    trained = [
        train.override(task_id=f"train_{candidate}")(candidate) for candidate in steps.CANDIDATES
    ]
    branch >> trained
    serve(compare(trained))


# Twice the same pipeline: aiops.yaml says `observe` for the second one, so that both ways can be
# seen side by side.
for name in ("medical", "medical_observed"):
    dag(dag_id=name, **OPTIONS)(pipeline)()
