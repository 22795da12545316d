"""XGBoost: ``xgboost.train(…, callbacks=[XGBoostReporter()])``."""

from __future__ import annotations

from typing import Any

import xgboost

from aiops_provider.telemetry.training.batches import BatchReporter, StopWhen


class XGBoostReporter(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """
    Reports the evaluation metrics of each boosting round as those of a batch.

    What is evaluated is what the training evaluates anyway (``evals``, ``eval_set``). Of several
    workers of one training only the first reports.

    Args:
        stop_when: As for :class:`BatchReporter`.
        **dimensions: As for :class:`BatchReporter`.
    """

    def __init__(self, *, stop_when: StopWhen | None = None, **dimensions: object) -> None:
        super().__init__()
        self._batches = BatchReporter(stop_when=stop_when, **dimensions)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        """Take in a round; whether the training should end."""
        if xgboost.collective.get_rank() != 0:
            return False
        stops = [
            self._batches.add(
                epoch, {name: _value(values[-1]) for name, values in metrics.items()}, data=data
            )
            for data, metrics in evals_log.items()
        ]
        return any(stops)


def _value(told: Any) -> float:
    """Cross-validation tells mean and deviation."""
    return float(told[0] if isinstance(told, tuple) else told)
