"""What a drift test says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftVerdict:
    """
    Whether a feature drifted.

    Attributes:
        drifted: The p-value is at most the level, and the effect at least the least that matters.
        p_value: Probability of such a difference when both come from one distribution; valid for any
            number of rows.
        effect: Size of the difference, in the unit that *measure* names.
        measure: What the effect is.
        reference_rows: Rows before.
        current_rows: Rows now.
    """

    drifted: bool
    p_value: float
    effect: float
    measure: str
    reference_rows: float
    current_rows: float
