"""What an evaluation of the engine found."""

from __future__ import annotations

from dataclasses import dataclass

from aiops_provider.domain.alarm import Alarm, Response, SuperAlarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """
    What changed since the last evaluation, each in its latest form.

    Attributes:
        alarms: Raised, held, grouped or cleared.
        super_alarms: Opened, grown or closed, with their response.
        responses: To apply or to lift; those that do nothing are not among them.
        samples: Samples observed.
        judged: Samples that had enough history to be judged.
        by_chance: Alarms that chance alone is expected to have raised among them, at most.
    """

    alarms: tuple[Alarm, ...] = ()
    super_alarms: tuple[SuperAlarm, ...] = ()
    responses: tuple[Response, ...] = ()
    samples: int = 0
    judged: int = 0
    by_chance: float = 0.0
