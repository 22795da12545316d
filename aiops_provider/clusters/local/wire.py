"""Jobs and their updates as JSON, between a host and its pool."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from aiops_provider.clusters.job_client import Job, JobState, JobUpdate
from aiops_provider.domain.execution import Usage
from aiops_provider.domain.profile import ResourceRequest

# dataclasses.asdict copies in depth, once for every task that is sent; all fields of these are plain.
_OF_REQUEST = tuple(field.name for field in fields(ResourceRequest))
_OF_USAGE = tuple(field.name for field in fields(Usage))
_OF_UPDATE = tuple(field.name for field in fields(JobUpdate))


def encode_job(job: Job) -> dict[str, Any]:
    """A job as JSON."""
    return {
        "job_id": job.job_id,
        "request": {name: getattr(job.request, name) for name in _OF_REQUEST},
        "entry": job.entry,
        "argument": job.argument,
        "command": job.command,
        "environment": dict(job.environment),
        "log_path": job.log_path,
        "priority": job.priority,
    }


def decode_job(fields: dict[str, Any]) -> Job:
    """The job that was encoded."""
    command = fields["command"]
    return Job(
        **{
            **fields,
            "request": ResourceRequest(**fields["request"]),
            "command": tuple(command) if command else None,
        }
    )


def encode_update(update: JobUpdate) -> dict[str, Any]:
    """An update as JSON."""
    said = {name: getattr(update, name) for name in _OF_UPDATE}
    if update.usage is not None:
        said["usage"] = {name: getattr(update.usage, name) for name in _OF_USAGE}
    return said


def decode_update(fields: dict[str, Any]) -> JobUpdate:
    """The update that was encoded."""
    usage = fields["usage"]
    return JobUpdate(
        **{
            **fields,
            "state": JobState(fields["state"]),
            "usage": Usage(**usage) if usage else None,
        }
    )
