"""
Models of statsforecast (Nixtla), extra ``forecast-statsforecast``.

``model`` is ``MSTL`` (default), ``AutoETS``, ``AutoTheta`` or ``AutoARIMA``. MSTL takes all seasons, the others the
shortest alone. The first forecast of a process compiles for some seconds. An exploding exponential smoothing
is common; the combination refuses it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops_provider.errors import ConfigurationError
from aiops_provider.profiling.forecast.external import DemandForecaster, ForecasterSpec

Values = NDArray[np.float64]

_MODELS = ("MSTL", "AutoETS", "AutoTheta", "AutoARIMA")
# Exponential smoothing and ARIMA with longer seasons take minutes, if they end at all.
_LONGEST_SEASON = 48


class StatsforecastModel:
    """
    One model, fitted anew for each forecast.

    Args:
        model: Its name.
        models: The module ``statsforecast.models``.
    """

    def __init__(self, model: str, models: Any) -> None:
        self.name = f"statsforecast {model}"
        self._model = model
        self._models = models

    def forecast(self, values: Values, horizon: int, periods: tuple[int, ...]) -> Values:
        """The model's mean."""
        if self._model == "MSTL":
            model = self._models.MSTL(season_length=list(periods))
        elif periods[0] > _LONGEST_SEASON:
            raise ValueError(f"a season of {periods[0]} steps is too long for {self._model}")
        else:
            model = getattr(self._models, self._model)(season_length=periods[0])
        answer: Values = np.asarray(model.forecast(y=values, h=horizon)["mean"], dtype=np.float64)
        return answer


def open_forecaster(spec: ForecasterSpec) -> DemandForecaster:
    """
    Make it.

    Raises:
        ConfigurationError: An unknown model, or an option.
        ImportError: The library is not installed.
    """
    model = spec.model or _MODELS[0]
    if model not in _MODELS:
        raise ConfigurationError(
            "is no model of statsforecast that can be used here",
            field="profiling.forecasters.model",
            value=model,
            mend=f"Known: {', '.join(_MODELS)}",
        )
    if spec.options:
        raise ConfigurationError(
            "statsforecast takes none",
            field="profiling.forecasters.options",
            value=", ".join(spec.options),
            mend="Leave them out",
        )
    from statsforecast import models

    return StatsforecastModel(model, models)
