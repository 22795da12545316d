"""PyTorch Lightning: ``Trainer(callbacks=[LightningReporter()])``."""

from __future__ import annotations

from typing import Any

try:
    from lightning.pytorch import Callback
except ModuleNotFoundError:  # the same library under its older name
    from pytorch_lightning import Callback

from aiops_provider.telemetry.report import report
from aiops_provider.telemetry.training.batches import BatchReporter, StopWhen

_VALIDATION = "val"


class LightningReporter(Callback):  # type: ignore[misc]
    """
    Reports the loss of each batch and whatever the module logs.

    Metrics are asked for only at the batches that are told, because asking waits for the
    accelerator; of several processes of one training only the first reports.

    Args:
        stop_when: As for :class:`BatchReporter`, asked at the batches that are told.
        **dimensions: As for :class:`BatchReporter`.
    """

    def __init__(self, *, stop_when: StopWhen | None = None, **dimensions: object) -> None:
        super().__init__()
        self._batches = BatchReporter(stop_when=stop_when, **dimensions)
        self._dimensions = dimensions
        self._number = 0

    def on_train_batch_end(
        self,
        trainer: Any,
        pl_module: Any,  # noqa: ARG002 - Lightning's signature
        outputs: Any,
        batch: Any,  # noqa: ARG002 - as above
        batch_idx: int,  # noqa: ARG002 - counts from 0 in each epoch
    ) -> None:
        """Take in a batch."""
        number, self._number = self._number, self._number + 1
        if not trainer.is_global_zero or not self._batches.due(number):
            return
        metrics = {_plain(n): float(v) for n, v in trainer.callback_metrics.items() if _scalar(v)}
        metrics = {n: v for n, v in metrics.items() if not n.startswith(_VALIDATION)}
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is not None and _scalar(loss):
            metrics["loss"] = float(loss)
        if self._batches.add(number, metrics):
            trainer.should_stop = True

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Report what the validation found; the check before the training is none."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        for name, value in trainer.callback_metrics.items():
            if name.startswith(_VALIDATION) and _scalar(value):
                metric = name.removeprefix("validation").removeprefix(_VALIDATION).lstrip("_/")
                labels = {**self._dimensions, "epoch": trainer.current_epoch}
                report(f"validation_{metric}", float(value), **labels)


def _plain(name: str) -> str:
    """``train_loss_step`` and ``train/loss`` are the loss."""
    return name.removesuffix("_step").removesuffix("_epoch").removeprefix("train").lstrip("_/")


def _scalar(value: Any) -> bool:
    return not hasattr(value, "numel") or value.numel() == 1
