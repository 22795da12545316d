"""
TimesFM 2.5 (Das and others, 2024), extra ``forecast-timesfm``.

``model`` is a folder with a downloaded model (``google/timesfm-2.5-200m-pytorch``: 200 million parameters, a gigabyte
of memory), or a name that the library downloads. No options.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops_provider.errors import ConfigurationError
from aiops_provider.profiling.forecast.external import DemandForecaster, ForecasterSpec

Values = NDArray[np.float64]

# The model writes patches of so many steps; a compiled one always computes all that it is compiled for.
_PATCH = 128
_CONTEXT, _LONGEST_HORIZON = 2048, 1024


class TimesfmModel:
    """
    A loaded model; zero-shot, so that the seasons are its own to find.

    Args:
        model: Of the library.
        library: The module ``timesfm``.
    """

    name = "timesfm"

    def __init__(self, model: Any, library: Any) -> None:
        self._model = model
        self._library = library
        self._compiled_for = 0
        # What a model is compiled for is a property of the model, not of a call.
        self._lock = threading.Lock()

    def forecast(self, values: Values, horizon: int, periods: tuple[int, ...]) -> Values:  # noqa: ARG002
        """Its point forecast, the median."""
        if horizon > _LONGEST_HORIZON:
            raise ValueError(f"{horizon} steps are more than the {_LONGEST_HORIZON} of timesfm")
        with self._lock:
            if horizon > self._compiled_for:
                self._compile(-(-horizon // _PATCH) * _PATCH)
            points, _ = self._model.forecast(
                horizon=horizon, inputs=[np.asarray(values[-_CONTEXT:], dtype=np.float32)]
            )
        answer: Values = np.asarray(points[0], dtype=np.float64)
        return answer

    def _compile(self, horizon: int) -> None:
        self._model.compile(
            self._library.ForecastConfig(
                max_context=_CONTEXT,
                max_horizon=horizon,
                normalize_inputs=True,
                use_continuous_quantile_head=True,
                fix_quantile_crossing=True,
            )
        )
        self._compiled_for = horizon


def open_forecaster(spec: ForecasterSpec) -> DemandForecaster:
    """
    Load it.

    Raises:
        ConfigurationError: No model, one that cannot be loaded, or an option.
        ImportError: The library is not installed.
    """
    if not spec.model:
        raise ConfigurationError(
            "timesfm needs one",
            field="profiling.forecasters.model",
            mend="Name the folder of a downloaded model, such as google/timesfm-2.5-200m-pytorch",
        )
    if spec.options:
        raise ConfigurationError(
            "timesfm takes none",
            field="profiling.forecasters.options",
            value=", ".join(spec.options),
            mend="Leave them out",
        )
    import timesfm

    try:
        made = timesfm.TimesFM_2p5_200M_torch
    except AttributeError as error:
        # The library hides that its back end is missing.
        raise ImportError("timesfm is here without torch") from error
    try:
        model = made.from_pretrained(spec.model, torch_compile=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigurationError(
            f"cannot be loaded as a model of timesfm ({error})",
            field="profiling.forecasters.model",
            value=spec.model,
            mend="Name the folder of a downloaded model",
        ) from error
    return TimesfmModel(model, timesfm)
