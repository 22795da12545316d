"""
Contract tests and fakes for people who write a cluster of their own; needs pytest.

Not imported by anything else in the package.
"""

from __future__ import annotations

from aiops_provider.testing.fake_job_client import FakeJobClient
from aiops_provider.testing.job_client_contract import Behaviour, Follower, JobClientContract
from aiops_provider.testing.remote_job_contract import RemoteJobClientContract

__all__ = [
    "Behaviour",
    "FakeJobClient",
    "Follower",
    "JobClientContract",
    "RemoteJobClientContract",
]
