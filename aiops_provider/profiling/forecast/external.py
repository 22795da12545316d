"""
Forecasters that are not ours: which there are, how one is opened, and how one is kept from doing harm.

They are found by entry point ``aiops_provider.forecasters``, those of this package as well as others'.
Whatever they are, they only take part: each is compared with the seasonal naive forecast and with our own on
past origins, and has the share that its errors there earn (see ``selection``). One that raises, explodes or
answers in another shape is left out of that forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aiops_provider.errors import ConfigurationError

Values = NDArray[np.float64]

ENTRY_POINT_GROUP = "aiops_provider.forecasters"

# The same as in pyproject.toml, for a source tree that is on the path without being installed.
_BUILT_IN = {
    name: f"aiops_provider.profiling.forecast.optional.{name}:open_forecaster"
    for name in ("chronos", "statsforecast", "timesfm")
}
_OWN = frozenset(_BUILT_IN)


@runtime_checkable
class DemandForecaster(Protocol):
    """
    Forecasts a demand series.

    Requirements: deterministic; keeps nothing of what it is handed and changes none of it. It is asked for
    about ten forecasts of each series, one after the other, from as many threads as ask us.

    Attributes:
        name: Unique among those in use; it stands in the forecast's ``method``.
    """

    @property
    def name(self) -> str:
        """Unique among those in use."""
        ...

    def forecast(self, values: Values, horizon: int, periods: tuple[int, ...]) -> Values:
        """
        Forecast the steps after the last value.

        Args:
            values: Regular series without gaps, oldest first, shape (steps,).
            horizon: Steps to forecast, >= 1.
            periods: Lengths of its seasons in steps, shortest first, at least one.

        Returns:
            Shape (horizon,). What is raised leaves the forecaster out of this forecast.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecasterSpec:
    """
    Which forecaster to use, and how.

    Attributes:
        name: Of its entry point.
        model: Which model of it; what that means is the forecaster's to say.
        options: Anything else that it takes.
    """

    name: str
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def forecaster_names() -> tuple[str, ...]:
    """Names of all forecasters that can be asked for, sorted; imports none of them."""
    return tuple(sorted(_entry_points()))


def open_forecasters(specs: Sequence[ForecasterSpec]) -> tuple[DemandForecaster, ...]:
    """
    Open forecasters, in the order given; a large model is loaded here.

    Raises:
        ConfigurationError: There is none of that name, its library is not installed, or its model or an
            option cannot be used; names the field, the value and the mend.
    """
    return tuple(_opened(spec) for spec in specs)


def guarded(
    forecaster: DemandForecaster, periods: tuple[int, ...]
) -> Callable[[Values, int], Values]:
    """
    A forecaster as the combination takes it.

    Raises:
        ValueError: From the callable, whatever the forecaster raised, or if its answer is misshapen.
    """

    def forecast(values: Values, horizon: int) -> Values:
        try:
            answer = np.asarray(
                forecaster.forecast(values.copy(), horizon, periods), dtype=np.float64
            )
        except Exception as error:  # a foreign library may raise anything
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if answer.shape != (horizon,):
            raise ValueError(f"the answer has shape {answer.shape}, not ({horizon},)")
        return answer

    return forecast


def library_missing(name: str, error: ImportError) -> ConfigurationError:
    """The error for one of our own forecasters whose library is not installed."""
    return ConfigurationError(
        f"needs a library that is not installed here ({error})",
        field="profiling.forecasters",
        value=name,
        mend=f"pip install 'aiops-provider[forecast-{name}]'",
    )


def _opened(spec: ForecasterSpec) -> DemandForecaster:
    found = _entry_points().get(spec.name)
    if found is None:
        raise ConfigurationError(
            "is no forecaster",
            field="profiling.forecasters",
            value=spec.name,
            mend=f"Known: {', '.join(forecaster_names())}",
        )
    try:
        made = found.load()(spec)
    except ImportError as error:
        if spec.name in _OWN:
            raise library_missing(spec.name, error) from error
        raise ConfigurationError(
            f"cannot be loaded ({error})",
            field="profiling.forecasters",
            value=spec.name,
            mend=f"Install what {found.value} needs",
        ) from error
    if not isinstance(made, DemandForecaster):
        raise ConfigurationError(
            f"{found.value} makes no DemandForecaster but a {type(made).__name__}",
            field="profiling.forecasters",
            value=spec.name,
            mend="Correct the package that brings it",
        )
    return made


def _entry_points() -> dict[str, EntryPoint]:
    found = {
        name: EntryPoint(name=name, value=value, group=ENTRY_POINT_GROUP)
        for name, value in _BUILT_IN.items()
    }
    return found | {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
