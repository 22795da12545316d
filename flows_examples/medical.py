"""
From patients' records to a served model: ordinary Prefect code.

Every step that needs a machine of its own is a deployment (see prefect.yaml), which the flow
``medical`` runs. Nothing here names a cluster, a machine or an amount of memory. Of the layer it
only uses ``report``, which does nothing where no layer is installed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow, runtime, task
from prefect.deployments import run_deployment

from aiops_provider import report
from aiops_provider.cli.demo import medical as steps


@flow(persist_result=True)
def transform(run: str, rows: int) -> int:
    written = steps.transform(steps.run_folder(run), rows=rows)
    report("row_count", written)
    return written


@flow(persist_result=True)
def features(run: str) -> int:
    columns = steps.features(steps.run_folder(run))
    report("feature_count", columns)
    return columns


@flow(persist_result=True)
def train(run: str, candidate: str) -> float:
    def on_batch(batch: int, precision: float) -> None:
        # The same batch of earlier runs is what a batch is compared with.
        report("batch_precision", precision, candidate=candidate, batch=f"{batch:02d}")

    precision = steps.train(candidate, steps.run_folder(run), on_batch=on_batch)
    report("precision", precision, candidate=candidate)
    return precision


@flow(persist_result=True)
def serve(run: str, candidate: str, seconds: float) -> dict[str, float]:
    served = steps.serve(
        steps.run_folder(run),
        candidate,
        seconds=seconds,
        on_second=lambda rate, latency_ms: (
            report("requests_per_s", rate),
            report("latency_p95_ms", latency_ms),
        ),
    )
    if served.failures:
        raise RuntimeError(f"{served.failures} scoring requests failed")
    return {"requests": served.requests, "requests_per_s": served.requests_per_s}


@task
def compare(precisions: dict[str, float]) -> str:
    return steps.compare(precisions)


@flow
async def medical(rows: int = 80_000, serve_s: float = 4.0) -> dict[str, float]:
    run = str(runtime.flow_run.id)

    async def step(deployment: str, **parameters: Any) -> Any:
        done = await run_deployment(
            deployment,
            parameters={"run": run, **parameters},
            # Should this flow be run again, it takes up the steps that it has started.
            idempotency_key=f"{run}/{deployment}",
            poll_interval=1,
        )
        return await done.state.result()

    written = await step("transform/medical", rows=rows)
    await step("features/medical")
    candidates = steps.choose_candidates(written)
    trained = await asyncio.gather(
        *(step(f"train/{candidate}", candidate=candidate) for candidate in candidates)
    )
    best = compare(dict(zip(candidates, trained, strict=True)))
    return await step("serve/medical", candidate=best, seconds=serve_s)
