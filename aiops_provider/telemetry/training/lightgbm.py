"""LightGBM: ``lightgbm.train(…, callbacks=[LightGBMReporter()])``."""

from __future__ import annotations

from typing import Any

from aiops_provider.telemetry.training.batches import BatchReporter, StopWhen


class LightGBMReporter:
    """
    Reports the evaluation metrics of each boosting round as those of a batch.

    What is evaluated is what the training evaluates anyway (``valid_sets``, ``eval_set``).

    Args:
        stop_when: As for :class:`BatchReporter`; an end is told as LightGBM's own early stopping
            tells it, with the present round as the best one.
        **dimensions: As for :class:`BatchReporter`.
    """

    order = 20  # as LightGBM's own recording callback: before early stopping

    def __init__(self, *, stop_when: StopWhen | None = None, **dimensions: object) -> None:
        self._batches = BatchReporter(stop_when=stop_when, **dimensions)

    def __call__(self, env: Any) -> None:
        """Take in a round."""
        by_data: dict[str, dict[str, float]] = {}
        for data, name, value, *_ in env.evaluation_result_list or ():
            by_data.setdefault(data, {})[name] = value
        number = env.iteration - env.begin_iteration
        stops = [self._batches.add(number, metrics, data=data) for data, metrics in by_data.items()]
        if any(stops):
            from lightgbm.callback import EarlyStopException

            raise EarlyStopException(env.iteration, env.evaluation_result_list)
