"""
AWS Batch and ECS on loopback whose jobs are processes: moto's HTTP server with our own containers.

Started as a program; it makes the queues, clusters and definitions that the tests name. moto by
itself ends every job at once and well; here a job runs its command, and is killed when it is
terminated. Bound to the inner workings of one version of moto (see pyproject.toml).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from moto.batch.models import BatchBackend, Job, JobStatus
from moto.batch_simple.models import BatchSimpleBackend
from moto.core.config import default_user_config
from moto.ecs.exceptions import InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend, Task
from moto.server import ThreadedMotoServer

REGIONS = ("eu-central-1", "sa-east-1")
PENDING_S = 0.05


class Containers:
    """Processes by the id of what runs in them."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(
        self,
        name: str,
        command: Sequence[str],
        environment: Sequence[Mapping[str, str]],
        ended: Callable[[int], None],
    ) -> None:
        """Start, and call *ended* with the exit status as a container has it."""
        variables = {entry["name"]: entry["value"] for entry in environment}
        process = subprocess.Popen(
            list(command), env={**os.environ, **variables}, start_new_session=True
        )
        self._processes[name] = process

        def wait() -> None:
            status = process.wait()
            ended(128 - status if status < 0 else status)

        threading.Thread(target=wait, daemon=True).start()

    def kill(self, name: str) -> None:
        """End whatever runs in it."""
        process = self._processes.get(name)
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


CONTAINERS = Containers()


def run_batch_job(backend: BatchSimpleBackend, include_start_attempt: bool, job: Job) -> None:
    """In place of moto's own end of every job."""
    backend.backend._jobs[job.job_id] = job
    job.log_stream_name = job._stream_name
    overrides = job.container_overrides or {}
    properties = job.job_definition.container_properties or {}
    environment = [*(properties.get("environment") or []), *(overrides.get("environment") or [])]
    note("batch", job.job_id, overrides)

    def ended(status: int) -> None:
        job.exit_code = status
        if job.status is not JobStatus.FAILED:
            job._mark_stopped(success=status == 0)
        job.status_reason = job.status_reason or "Essential container in task exited"

    job.status = JobStatus.RUNNING
    job.job_started_at = datetime.now(UTC).replace(tzinfo=None)
    CONTAINERS.run(job.job_id, overrides["command"], environment, ended)


def terminate_batch_job(backend: BatchBackend, job_id: str, reason: str) -> None:
    """A terminated job's container is killed."""
    job = backend._jobs[job_id]
    job.status, job.status_reason = JobStatus.FAILED, reason
    CONTAINERS.kill(job_id)


_describe = Job.describe


def describe_job(job: Job) -> dict[str, Any]:
    """With the exit status, and the words that AWS has for a container killed for its memory."""
    said = _describe(job)
    status = getattr(job, "exit_code", None)
    if status is not None:
        said["container"]["exitCode"] = status
        if status == 137:
            said["container"]["reason"] = "OutOfMemoryError: Container killed due to memory usage"
    return said


_new_task = Task.__init__


def run_ecs_task(task: Task, *arguments: Any, **named: Any) -> None:
    """In place of moto's own life of a task."""
    _new_task(task, *arguments, **named)
    definition = named["task_definition"].container_definitions[0]
    given = {each["name"]: each for each in (task.overrides or {}).get("containerOverrides", [])}
    own = given.get(definition["name"], {})
    environment = [*(definition.get("environment") or []), *(own.get("environment") or [])]
    container = task.containers[0]
    container.exitCode = None
    task.status = task.last_status = "PENDING"
    note("ecs", task.task_arn, task.overrides or {})

    def ended(status: int) -> None:
        container.exitCode = status
        container.lastStatus = container.last_status = "STOPPED"
        task.status = task.last_status = task.desired_status = "STOPPED"
        task.stopped_reason = task.stopped_reason or "Essential container in task exited"
        task.stopped_at = task.stoppedAt = time.time()

    def go() -> None:
        time.sleep(PENDING_S)
        task.status = task.last_status = "RUNNING"
        task.started_at = task.startedAt = time.time()
        container.lastStatus = container.last_status = "RUNNING"
        CONTAINERS.run(task.task_arn, own["command"], environment, ended)

    threading.Thread(target=go, daemon=True).start()


_stop_task = EC2ContainerServiceBackend.stop_task


def stop_ecs_task(
    backend: EC2ContainerServiceBackend, cluster_str: str, task_str: str, reason: str
) -> Task:
    """A stopped task's container is killed; an unknown one is refused in the words of AWS."""
    known = backend.tasks.get(backend._get_cluster(cluster_str).name) or {}
    if not any(arn.endswith(task_str.rpartition("/")[2]) for arn in known):
        raise InvalidParameterException("The referenced task was not found.")
    stopped = _stop_task(backend, cluster_str, task_str, reason)
    CONTAINERS.kill(stopped.task_arn)
    return stopped


def note(service: str, name: str, overrides: Mapping[str, Any]) -> None:
    """What was asked for, for the tests to read."""
    with Path(os.environ["AWS_LEDGER"]).open("a") as ledger:
        ledger.write(json.dumps({"service": service, "id": name, "overrides": overrides}) + "\n")


def prepare(endpoint: str, region: str) -> dict[str, str]:
    """The job queue, ECS cluster and definitions of one region; its network's ids by placeholder."""

    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=endpoint, region_name=region)

    role = client("iam").create_role(RoleName=f"role-{region}", AssumeRolePolicyDocument="{}")[
        "Role"
    ]["Arn"]
    ec2, batch, ecs = client("ec2"), client("batch"), client("ecs")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    environment = batch.create_compute_environment(
        computeEnvironmentName="machines",
        type="MANAGED",
        state="ENABLED",
        serviceRole=role,
        computeResources={
            "type": "FARGATE",
            "maxvCpus": 8,
            "subnets": [subnet],
            "securityGroupIds": [group],
        },
    )["computeEnvironmentArn"]
    batch.create_job_queue(
        jobQueueName="etl",
        state="ENABLED",
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
    )
    own = [{"name": "WORKER_GROUP", "value": f"batch-{region}"}]
    batch.register_job_definition(
        jobDefinitionName="airflow",
        type="container",
        containerProperties={"image": "i", "vcpus": 1, "memory": 128, "environment": own},
    )
    ecs.create_cluster(clusterName="etl")
    ecs.register_task_definition(
        family="airflow",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[
            {
                "name": "airflow",
                "image": "i",
                "essential": True,
                "cpu": 256,
                "memory": 512,
                "environment": [{"name": "WORKER_GROUP", "value": f"ecs-{region}"}],
            }
        ],
    )
    return {f"subnet-of-{region}": subnet, f"group-of-{region}": group}


def main(port: int) -> None:
    """Serve until ended."""
    default_user_config["batch"] = {"use_docker": False}
    BatchSimpleBackend._mark_job_as_finished = run_batch_job
    BatchBackend.terminate_job = terminate_batch_job
    Job.describe = describe_job
    Task.__init__ = run_ecs_task
    Task.advance = lambda task: None
    EC2ContainerServiceBackend.stop_task = stop_ecs_task
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    server.start()
    network: dict[str, str] = {}
    for region in REGIONS:
        network |= prepare(f"http://127.0.0.1:{port}", region)
    ready = Path(os.environ["AWS_LEDGER"]).with_suffix(".network")
    ready.with_suffix(".part").write_text(json.dumps(network))
    ready.with_suffix(".part").replace(ready)  # the tests wait for this file
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main(int(sys.argv[1]))
