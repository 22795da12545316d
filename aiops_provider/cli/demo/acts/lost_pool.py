"""Act 2 on Prefect: the second run asks for what was learned, and a cluster dies under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from aiops_provider.cli.demo.acts.pipeline import DEPLOYMENT, PARAMETERS
from aiops_provider.cli.demo.outcome import Expectation
from aiops_provider.cli.demo.prefect_api import FlowRun
from aiops_provider.cli.demo.prefect_scene import PipelineRun, PrefectScene
from aiops_provider.cli.demo.scene import expect, let_routers_look
from aiops_provider.domain.execution import Outcome
from aiops_provider.errors import AiopsError

TITLE = "The second run asks for what was learned; a cluster dies under it, and nothing is lost"

_START_S = 120.0


def perform(scene: PrefectScene, first: PipelineRun) -> Iterator[Expectation]:
    """
    Run the pipeline again and kill a cluster's pool process (SIGKILL) while a model is trained.

    Args:
        scene: The installation.
        first: The run before.
    """
    learned = scene.profiles()
    let_routers_look(scene.installation)
    flow_run_id, began_at = scene.begin(DEPLOYMENT, PARAMETERS)
    cluster, interrupted = _kill_busy_pool(scene, flow_run_id)
    names = ", ".join(sorted(str(one.task) for one in interrupted))
    scene.narrator.say(f"killed {cluster} while it ran {names}")
    yield expect(
        "flow runs that ran there when it was killed",
        expected="1 or more",
        observed=len(interrupted),
        met=bool(interrupted),
    )
    run = scene.finish("second", flow_run_id, began_at)
    yield expect("the second run", expected="COMPLETED", observed=run.pipeline.state)
    yield from _ran_once(scene, first, run)
    yield from _moved(scene, run, cluster, {one.id for one in interrupted})

    asked = {
        one.run.task: one.route.request.memory_gib
        for one in scene.placements(run)
        if one.run.try_number == 1
    }
    guessed = {one.run.task: one.route.request.memory_gib for one in scene.placements(first)}
    yield expect(
        "flows that ask for other memory than the first time",
        expected=len(asked),
        observed=sum(guessed.get(task) != memory for task, memory in asked.items()),
    )
    as_learned = [
        task
        for task, memory in asked.items()
        if task in learned and learned[task].request.memory_gib == memory
    ]
    yield expect(
        "flows that ask for what their history says", expected=len(asked), observed=len(as_learned)
    )


def _kill_busy_pool(scene: PrefectScene, flow_run_id: str) -> tuple[str, list[FlowRun]]:
    api = scene.stage.api
    cluster = ""

    def training() -> bool:
        nonlocal cluster
        for step in api.children(flow_run_id):
            if step.task.namespace == "train" and step.state == "RUNNING":
                cluster = step.infrastructure.partition("|")[0]
                return bool(cluster)
        return False

    api.wait_until("a model is being trained", training, timeout_s=_START_S)
    pool = scene.stage.pool_process(cluster)
    if pool is None:
        raise AiopsError(
            f"cluster {cluster} has no pool process, yet a flow run is said to be there"
        )
    running = [api.flow_run(flow_run_id), *api.children(flow_run_id)]
    pool.kill()
    there = [one for one in running if one.infrastructure.startswith(f"{cluster}|")]
    return cluster, [one for one in there if one.state == "RUNNING"]


def _ran_once(scene: PrefectScene, first: PipelineRun, run: PipelineRun) -> Iterator[Expectation]:
    yield expect(
        "its steps: as many as in the first run, none started twice",
        expected=len(first.steps),
        observed=len(run.steps),
    )
    succeeded = Counter(
        one.run.run_id for one in scene.records(run) if one.outcome is Outcome.SUCCESS
    )
    yield expect(
        "flow runs that succeeded exactly once",
        expected=len(run.ids),
        observed=sum(count == 1 for count in succeeded.values()),
    )


def _moved(
    scene: PrefectScene, run: PipelineRun, cluster: str, interrupted: set[str]
) -> Iterator[Expectation]:
    records = scene.records(run)
    lost = {one.run.run_id for one in records if one.outcome is Outcome.CLUSTER_LOST}
    elsewhere = {
        one.run.run_id
        for one in records
        if one.outcome is Outcome.SUCCESS and one.cluster != cluster and one.run.run_id in lost
    }
    yield expect(
        "of these, lost with the cluster and then run elsewhere",
        expected=len(interrupted),
        observed=len(elsewhere & interrupted),
    )
