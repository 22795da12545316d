"""Scikit-learn's way of batches: ``partial_fit``, each batch judged before it is learned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from aiops_provider.telemetry.training.batches import BatchReporter, StopWhen

Model = TypeVar("Model")


def fit_in_batches(
    model: Model,
    batches: Iterable[tuple[Any, Any]],
    /,
    *,
    classes: Sequence[Any] | None = None,
    metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
    stop_when: StopWhen | None = None,
    **dimensions: object,
) -> Model:
    """
    Fit a model batch by batch and report how well it foretells each batch before it learns it.

    Judging first and learning then ("prequential evaluation", Gama et al., 2013) needs no data to be
    held back, and sees bad data in the batch in which they come.

    Args:
        model: Has ``partial_fit``, such as ``SGDClassifier``.
        batches: Pairs of features and targets.
        classes: All classes; classifiers need them for the first batch.
        metrics: Functions of true and predicted targets, by name; default: macro-averaged
            ``precision`` of classifiers, ``mae`` of others.
        stop_when: As for :class:`BatchReporter`; the batch it is asked about is still learned.
        **dimensions: As for :class:`BatchReporter`.

    Returns:
        The model.
    """
    from sklearn.base import is_classifier

    if metrics is None:
        metrics = {"precision": _precision} if is_classifier(model) else {"mae": _mean_error}
    first = {"classes": classes} if classes is not None else {}
    reporter = BatchReporter(stop_when=stop_when, **dimensions)
    fitted = False
    for number, (features, targets) in enumerate(batches):
        stop = False
        if fitted:
            foretold = model.predict(features)  # type: ignore[attr-defined]
            found = {name: float(metric(targets, foretold)) for name, metric in metrics.items()}
            stop = reporter.add(number, found)
        model.partial_fit(features, targets, **({} if fitted else first))  # type: ignore[attr-defined]
        fitted = True
        if stop:
            break
    return model


def _precision(true: Any, foretold: Any) -> float:
    from sklearn.metrics import precision_score

    return float(precision_score(true, foretold, average="macro", zero_division=0.0))


def _mean_error(true: Any, foretold: Any) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(true, foretold))
