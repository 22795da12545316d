"""What AWS says of failures, as hosts see it that run tasks there by their own means."""

from __future__ import annotations

from aiops_provider.clusters.aws_failures import outcome_of

__all__ = ["outcome_of"]
