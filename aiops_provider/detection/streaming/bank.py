"""The streaming state of many series: samples in, p-values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from aiops_provider.detection.scoring.windows import Floats
from aiops_provider.detection.streaming.calibration import combined_p
from aiops_provider.detection.streaming.features import FEATURES, FeatureState, Rows
from aiops_provider.detection.streaming.tails import WARM_UP, TailState


class StreamBank:
    """
    Judges samples of many dense series, each by its own past, in constant time and memory.

    The first 150 samples of a series are only kept; then its features are computed from them anew
    and its tails begin. From then on every sample has a p-value: the mean over sixteen features of
    how surprising each is, mapped by what that mean is on noise, or a single feature far out (see
    :func:`~aiops_provider.detection.streaming.calibration.combined_p`).

    Expected on noise: at most as many samples below a p-value as it says, for normal, log-normal,
    Poisson and strongly correlated noise and for t with 4 degrees of freedom. What alarms comes in
    bursts, so count onsets. It does not know weeks: on series with quiet week-ends judge by the
    seasonal detector as well. A series that wanders far alarms while it does.

    Requirements: one thread; samples of a series in order of time.

    Args:
        series: How many; more are added by :meth:`grow`.
    """

    def __init__(self, series: int) -> None:
        self._features = FeatureState(series)
        self._tails = TailState(series, len(FEATURES))
        self._kept = np.zeros(series, dtype=np.int64)
        self._warm_up = np.zeros((series, WARM_UP, 2))

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes_per_series(self) -> float:
        """Memory that a series takes, warm-up included."""
        return sum(array.nbytes for _, array in self._arrays()) / max(len(self), 1)

    def grow(self, series: int) -> None:
        """Make room for so many series in all."""
        fresh = StreamBank(series)
        for (_, old), (_, new) in zip(self._arrays(), fresh._arrays(), strict=True):
            new[: len(old)] = old
        self.__dict__.update(fresh.__dict__)

    def score(self, rows: Rows, times: Floats, values: Floats) -> Floats:
        """
        Judge one sample of each of these series by what came before it, then learn it.

        Args:
            rows: Which series, none twice.
            times: Moment of each sample, seconds since 1970.
            values: Finite.

        Returns:
            p-values; NaN during the warm-up.
        """
        p_values = np.full(len(rows), np.nan)
        kept = self._kept[rows]
        ready = kept >= WARM_UP
        if not ready.all():
            young = rows[~ready]
            self._warm_up[young, kept[~ready], 0] = times[~ready]
            self._warm_up[young, kept[~ready], 1] = values[~ready]
            self._kept[young] += 1
            self._begin(young[self._kept[young] == WARM_UP])
            rows, times, values = rows[ready], times[ready], values[ready]
        if len(rows):
            surprise = self._tails.surprise(rows, self._features.advance(rows, times, values))
            p_values[ready] = combined_p(surprise)
        return p_values

    def _begin(self, rows: Rows) -> None:
        if not len(rows):
            return
        figures = [
            self._features.advance(rows, self._warm_up[rows, i, 0], self._warm_up[rows, i, 1])
            for i in range(WARM_UP)
        ]
        self._tails.begin(rows, np.stack(figures, axis=2))

    def state(self) -> dict[str, np.ndarray]:
        """All arrays by name, to be stored and restored: a restart relearns nothing."""
        return {name: array.copy() for name, array in self._arrays()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """
        Go on from a stored state of as many series.

        Raises:
            ValueError: The state is of another number of series or another version.
        """
        for name, array in self._arrays():
            stored = state.get(name)
            if stored is None or stored.shape != array.shape:
                raise ValueError(f"{name} of the stored state does not fit {len(self)} series")
            array[...] = stored

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        yield "kept", self._kept
        yield "warm_up", self._warm_up
        for part, owner in (("features", self._features), ("tails", self._tails)):
            for name, array in vars(owner).items():
                yield f"{part}.{name}", array
