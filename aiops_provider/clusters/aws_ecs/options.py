"""What aiops.yaml says about an Amazon ECS cluster."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aiops_provider.clusters.options import StockOptions


class AwsEcsOptions(StockOptions):
    """Options of ``kind: aws_ecs``; the region is the cluster's."""

    cluster: str = Field(min_length=1, description="Name or ARN of the ECS cluster.")
    task_definition: str = Field(
        min_length=1, description="Family or ARN of a task definition whose image has Airflow."
    )
    container: str = Field(
        "airflow", min_length=1, description="The container of it that runs the task."
    )
    launch_type: Literal["FARGATE", "EC2"] = Field("FARGATE", description="As ECS has it.")
    subnets: tuple[str, ...] = Field((), description="Of the tasks; needed on Fargate.")
    security_groups: tuple[str, ...] = Field((), description="Of the tasks.")
    assign_public_ip: bool = Field(False, description="Whether tasks get a public address.")
    connection: str | None = Field(
        None, description="The host's connection with the credentials; default: those around it."
    )
    cost_tags: bool = Field(
        False,
        description="Tag each task with DAG, task, run and team; needs the right to tag resources.",
    )
