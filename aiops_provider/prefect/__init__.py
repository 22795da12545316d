"""
The Prefect door: a work-pool type ``aiops`` that places every flow run.

``prefect work-pool create --type aiops my-pool`` is all that an installation needs; flows and
deployments stay as they are. Prefect imports this package to learn of the type, in every process
that asks for work pools, so what a running worker needs is loaded when a worker starts.
"""

from __future__ import annotations

from aiops_provider.prefect.worker import AiopsWorker

__all__ = ["AiopsWorker"]
