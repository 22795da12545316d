"""
What a KPI sample must be before it may enter a baseline.

Nothing is repaired but the form: a wrong value is refused with the field, the value and the mend.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiops_provider.domain.kpi import KpiSample, split_dimensions
from aiops_provider.errors import KpiRejectedError

MAX_DIMENSIONS = 32
MAX_NAME_CHARACTERS = 64
MAX_LABEL_CHARACTERS = 256
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]*")

# Everything before is a clock that was never set.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def check_samples(
    samples: Iterable[KpiSample], *, now: datetime, clock_tolerance_s: float
) -> list[KpiSample]:
    """
    Check samples and bring them into the one form in which they are kept.

    Labels that say where a sample was taken are moved into its context, whichever way they were
    sent: otherwise every cluster would have a series of its own.

    Raises:
        KpiRejectedError: The first one that cannot be used.
    """
    return [
        _checked(sample, f"samples[{position}]", now, clock_tolerance_s)
        for position, sample in enumerate(samples)
    ]


def _checked(sample: KpiSample, place: str, now: datetime, tolerance_s: float) -> KpiSample:
    if len(sample.name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(sample.name):
        raise KpiRejectedError(
            "is no name of a KPI",
            field=f"{place}.name",
            value=sample.name[:MAX_NAME_CHARACTERS],
            mend=f"Use a letter, then up to {MAX_NAME_CHARACTERS - 1} letters, digits, or _ . : / -",
        )
    if not math.isfinite(sample.value):
        raise KpiRejectedError(
            "is not a finite number",
            field=f"{place}.value",
            value=sample.value,
            mend="Leave the sample out when there is nothing to report.",
        )
    check_moment(sample.observed_at, f"{place}.observed_at", now, tolerance_s)
    check_text(sample.idempotency_key, f"{place}.idempotency_key")
    for part, labels in (("dimensions", sample.dimensions), ("context", sample.context)):
        _check_labels(labels, f"{place}.{part}")
    dimensions, moved = split_dimensions(sample.dimensions)
    return replace(
        sample,
        observed_at=sample.observed_at.astimezone(UTC),
        dimensions=dimensions,
        context={**moved, **sample.context},
    )


def _check_labels(labels: Mapping[str, str], place: str) -> None:
    if len(labels) > MAX_DIMENSIONS:
        raise KpiRejectedError(
            f"has more than {MAX_DIMENSIONS} labels",
            field=place,
            value=len(labels),
            mend="Keep those that one would ask by.",
        )
    for name, value in labels.items():
        if len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
            raise KpiRejectedError(
                "is no name of a label",
                field=place,
                value=name[:MAX_NAME_CHARACTERS],
                mend=f"Use a letter, then up to {MAX_NAME_CHARACTERS - 1} letters, digits, or _ . : / -",
            )
        check_text(value, f"{place}.{name}")


def check_text(text: str, place: str) -> None:
    """Refuse what is too long for a label or holds control characters."""
    if len(text) > MAX_LABEL_CHARACTERS:
        raise KpiRejectedError(
            f"is longer than {MAX_LABEL_CHARACTERS} characters",
            field=place,
            value=f"{text[:20]}…",
            mend="Shorten it: a label is what one would group by.",
        )
    # Databases refuse some of these (NUL, lone surrogates), terminals obey others.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise KpiRejectedError(
            "holds a control character", field=place, value=text, mend="Remove it."
        )


def check_moment(moment: datetime, place: str, now: datetime, tolerance_s: float) -> None:
    """Refuse a moment without zone, from the future or from a clock that was never set."""
    if moment.tzinfo is None:
        raise KpiRejectedError(
            "has no time zone",
            field=place,
            value=moment.isoformat(),
            mend="Append the offset, for example Z or +01:00.",
        )
    if moment > now + timedelta(seconds=tolerance_s):
        raise KpiRejectedError(
            f"lies in the future of this server, where it is {now.isoformat(timespec='seconds')}",
            field=place,
            value=moment.isoformat(),
            mend=f"Set the sender's clock; {tolerance_s:g} s are tolerated (server.clock_tolerance_s).",
        )
    if moment < _EARLIEST:
        raise KpiRejectedError(
            "lies before the year 2000",
            field=place,
            value=moment.isoformat(),
            mend="Send the moment of the observation.",
        )
