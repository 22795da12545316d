"""What all parts of a description have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator

# No bytes, rows, weights or seconds of any task; what is made of such figures could not be computed.
_LARGEST_FIGURE = 1e21


class Described(BaseModel):
    """
    A part of what the user says about a task.

    It does not change, no unknown key is ignored, and its figures are possible ones.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False
    )

    @field_validator("*")
    @classmethod
    def _is_a_possible_figure(cls, value: object) -> object:
        if isinstance(value, (int, float)) and abs(value) > _LARGEST_FIGURE:
            raise ValueError(f"is more than any task has (at most {_LARGEST_FIGURE:g})")
        return value
