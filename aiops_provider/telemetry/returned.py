"""
KPIs that stand in what a task returns, so that it needs no line of ours.

A declaration says which: names, or a path for each name. It is checked where it is written, and
read when the task has ended; what is not there then is told in the log and fails nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

from aiops_provider.errors import DescriptionError

log = logging.getLogger(__name__)

RETURN_VALUE = "return_value"
"""What a task returns, under the name that Airflow gives it."""

KpiDeclaration = str | Iterable[str] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KpiSource:
    """
    Where the value of one KPI stands.

    Attributes:
        name: Of the KPI.
        place: Name of the value that holds it: ``return_value``, or the key of another XCom.
        path: Keys, positions or attributes that lead to it; ``None``: the key *name*, or the whole
            value where that is a number and no other KPI is declared by its name alone.
    """

    name: str
    place: str = RETURN_VALUE
    path: tuple[str, ...] | None = None


def parse_kpis(declared: KpiDeclaration) -> tuple[KpiSource, ...]:
    """
    Read a declaration.

    Args:
        declared: A name, several names, or a path for each name. A path is written with dots:
            ``metrics.precision``; before a colon stands the key of an XCom other than the returned
            value: ``statistics:rows.read``. An empty path is the whole value.

    Raises:
        DescriptionError: It is none of these.

    >>> parse_kpis({"row_count": "rows", "precision": "scores:test.0"})
    (KpiSource(name='row_count', place='return_value', path=('rows',)), \
KpiSource(name='precision', place='scores', path=('test', '0')))
    """
    if isinstance(declared, Mapping):
        return tuple(_with_path(name, path) for name, path in declared.items())
    names = (declared,) if isinstance(declared, str) else declared
    if not isinstance(names, Iterable):
        raise _unusable(declared)
    return tuple(KpiSource(_name(name)) for name in names)


def values_of(sources: Sequence[KpiSource], read: Callable[[str], object]) -> Mapping[str, object]:
    """
    The declared values that are there.

    Args:
        sources: As :func:`parse_kpis` returns them.
        read: Returns the value of a place; asked once for each.

    Returns:
        By name of the KPI; what is missing is told in the log and left out.
    """
    places = {place: read(place) for place in dict.fromkeys(each.place for each in sources)}
    by_name = sum(each.path is None for each in sources)
    found = {}
    for source in sources:
        value = places[source.place]
        alone = by_name == 1 and isinstance(value, Real)
        path = ((), (source.name,))[not alone] if source.path is None else source.path
        try:
            found[source.name] = _at(value, path)
        except LookupError:
            log.warning(
                "The KPI %s is not reported: there is no %s in %s, which is of type %s",
                source.name,
                ".".join(path),
                source.place,
                type(value).__name__,
            )
    return found


def _with_path(name: object, path: object) -> KpiSource:
    if not isinstance(path, str):
        raise _unusable({name: path})
    place, colon, rest = path.rpartition(":")
    keys = tuple(rest.split(".")) if rest else ()
    return KpiSource(_name(name), place if colon and place else RETURN_VALUE, keys)


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise _unusable(name)
    return name


def _unusable(value: object) -> DescriptionError:
    return DescriptionError(
        "is no declaration of KPIs",
        field="kpis",
        value=value,
        mend='Give names, ["row_count"], or a path for each name, {"row_count": "stats.rows"}',
    )


def _at(value: object, path: Sequence[str]) -> object:
    """Follow a path; LookupError where it ends."""
    for key in path:
        if isinstance(value, Mapping):
            value = value[key]
        elif isinstance(value, Sequence) and not isinstance(value, str) and _is_position(key):
            value = value[int(key)]
        elif not key.startswith("_") and hasattr(value, key):
            value = getattr(value, key)
        else:
            raise LookupError(key)
    return value


def _is_position(key: str) -> bool:
    return key.removeprefix("-").isdigit()
