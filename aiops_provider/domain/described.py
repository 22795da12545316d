"""What all parts of a description have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Described(BaseModel):
    """A part of what the user says about a task: it does not change, and no unknown key is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
