"""
Chronos, Chronos-Bolt and Chronos-2 (Ansari and others, 2024), extra ``forecast-chronos``.

``model`` is a folder with a downloaded model, such as ``amazon/chronos-bolt-small``, or a name that the library
downloads. Options: ``device`` (``cpu`` unless said otherwise).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops_provider.errors import ConfigurationError
from aiops_provider.profiling.forecast.external import DemandForecaster, ForecasterSpec

Values = NDArray[np.float64]

_OPTIONS = {"device"}
_SEED = 0


class ChronosModel:
    """
    A loaded model; zero-shot, so that the seasons are its own to find.

    Args:
        pipeline: Of the library.
        torch: The module.
    """

    name = "chronos"

    def __init__(self, pipeline: Any, torch: Any) -> None:
        self._pipeline = pipeline
        self._torch = torch

    def forecast(self, values: Values, horizon: int, periods: tuple[int, ...]) -> Values:  # noqa: ARG002
        """Its median."""
        context = self._torch.tensor(values, dtype=self._torch.float32)
        # The first generation draws samples: the same past must have the same forecast, and nobody
        # else's random numbers may change.
        with self._torch.random.fork_rng(), self._torch.no_grad():
            self._torch.manual_seed(_SEED)
            quantiles, _ = self._pipeline.predict_quantiles(
                [context], prediction_length=horizon, quantile_levels=[0.5]
            )
        # Chronos-2 answers with a list, a tensor for each series with one row per variable.
        answer: Values = np.asarray(quantiles[0], dtype=np.float64).reshape(horizon)
        return answer


def open_forecaster(spec: ForecasterSpec) -> DemandForecaster:
    """
    Load it.

    Raises:
        ConfigurationError: No model, one that cannot be loaded, or an unknown option.
        ImportError: The library is not installed.
    """
    if not spec.model:
        raise ConfigurationError(
            "chronos needs one",
            field="profiling.forecasters.model",
            mend="Name the folder of a downloaded model, such as amazon/chronos-bolt-small",
        )
    if unknown := set(spec.options) - _OPTIONS:
        raise ConfigurationError(
            "is no option of chronos",
            field="profiling.forecasters.options",
            value=", ".join(sorted(unknown)),
            mend=f"Known: {', '.join(sorted(_OPTIONS))}",
        )
    import torch
    from chronos import BaseChronosPipeline

    try:
        pipeline = BaseChronosPipeline.from_pretrained(
            spec.model, device_map=str(spec.options.get("device", "cpu"))
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigurationError(
            f"cannot be loaded as a model of chronos ({error})",
            field="profiling.forecasters.model",
            value=spec.model,
            mend="Name the folder of a downloaded model",
        ) from error
    return ChronosModel(pipeline, torch)
