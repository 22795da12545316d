"""What aiops.yaml says about an AWS Batch job queue."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from aiops_provider.clusters.options import StockOptions


class AwsBatchOptions(StockOptions):
    """Options of ``kind: aws_batch``; the region is the cluster's."""

    job_queue: str = Field(min_length=1, description="Name or ARN of the job queue.")
    job_definition: str = Field(
        min_length=1, description="Name or ARN of a job definition with an image that has Airflow."
    )
    job_name: str = Field("airflow-task", min_length=1, description="Name of every job.")
    connection: str | None = Field(
        None, description="The host's connection with the credentials; default: those around it."
    )
    platform: Literal["ec2", "fargate"] = Field(
        "ec2", description="What the compute environments consist of; Fargate has fixed sizes."
    )
    cost_tags: bool = Field(
        False,
        description="Tag each task with DAG, task, run and team; needs the right to tag resources.",
    )
