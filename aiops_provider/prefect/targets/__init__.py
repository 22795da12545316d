"""
Where flow runs are executed: one target per cluster.

``jobs`` runs them through a ``JobClient``, such as a pool of local processes, which enforces what was
granted; ``stock`` hands them to the worker class that Prefect itself has for the cluster's kind.
"""

from __future__ import annotations

from aiops_provider.prefect.targets.target import Ending, Order, Target

__all__ = ["Ending", "Order", "Target"]
