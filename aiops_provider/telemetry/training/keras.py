"""Keras 3: ``model.fit(…, callbacks=[KerasReporter()])``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from aiops_provider.telemetry.report import report
from aiops_provider.telemetry.training.batches import BatchReporter, StopWhen

_VALIDATION = "val_"


class KerasReporter(keras.callbacks.Callback):  # type: ignore[misc]
    """
    Reports loss and metrics of each batch, and those of the validation after each epoch.

    Keras tells the mean since the beginning of the epoch, and so does this. Metrics are asked for
    only at the batches that are told, because asking waits for the accelerator.

    Args:
        stop_when: As for :class:`BatchReporter`, asked at the batches that are told.
        **dimensions: As for :class:`BatchReporter`.
    """

    def __init__(self, *, stop_when: StopWhen | None = None, **dimensions: object) -> None:
        super().__init__()
        self._batches = BatchReporter(stop_when=stop_when, **dimensions)
        self._dimensions = dimensions
        self._number = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Take in a batch."""
        number, self._number = self._number, self._number + 1
        if self._batches.due(number):
            metrics = {name: float(value) for name, value in (logs or {}).items()}
            if self._batches.add(number, metrics):
                self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report what the validation found."""
        for name, value in (logs or {}).items():
            if name.startswith(_VALIDATION):
                metric = name.removeprefix(_VALIDATION)
                report(f"validation_{metric}", value, **{**self._dimensions, "epoch": epoch})
