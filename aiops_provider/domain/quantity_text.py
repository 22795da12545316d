"""Amounts as hosts write them: Kubernetes' quantities and Docker's sizes."""

from __future__ import annotations

import math
import re

from aiops_provider.domain.units import gib_from_bytes

_NUMBER = re.compile(r"^\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*([A-Za-z]*)\s*$")
_DECIMAL = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {f"{letter}i": 1024.0**step for step, letter in enumerate("KMGTPE", start=1)}
_QUANTITY = _DECIMAL | _BINARY
_DOCKER = {"": 1.0, "b": 1.0, "k": 2.0**10, "m": 2.0**20, "g": 2.0**30, "t": 2.0**40}


def number_from_quantity(said: object) -> float | None:
    """
    A quantity of Kubernetes as a plain number: cores of ``500m``, bytes of ``2Gi``.

    Source: Kubernetes, "Quantity" (``M`` is 10^6, ``Mi`` is 2^20, ``m`` a thousandth).

    Returns:
        ``None`` for what is no amount above zero.

    >>> number_from_quantity("500m"), number_from_quantity(1), number_from_quantity("lots")
    (0.5, 1.0, None)
    """
    return _number(said, _QUANTITY, fold=False)


def gib_from_quantity(said: object) -> float | None:
    """
    GiB of a quantity of Kubernetes; plain numbers are bytes.

    Returns:
        ``None`` for what is no amount above zero.

    >>> gib_from_quantity("512Mi"), gib_from_quantity("2Gi"), gib_from_quantity("lots")
    (0.5, 2.0, None)
    """
    return _gib(_number(said, _QUANTITY, fold=False))


def gib_from_docker_size(said: object) -> float | None:
    """
    GiB of a size as Docker takes it: ``512m`` is 512 MiB, a plain number is bytes.

    Returns:
        ``None`` for what is no amount above zero.

    >>> gib_from_docker_size("512m"), gib_from_docker_size("2GB")
    (0.5, 2.0)
    """
    return _gib(_number(said, _DOCKER, fold=True))


def _gib(number: float | None) -> float | None:
    return None if number is None else gib_from_bytes(number)


def _number(said: object, units: dict[str, float], *, fold: bool) -> float | None:
    if isinstance(said, bool):
        return None
    found = _NUMBER.match(str(said))
    if found is None:
        return None
    unit = found[2]
    if fold:
        unit = unit.lower()
        # Docker takes 512m, 512mb and 512mib alike.
        unit = (
            unit[:1]
            if unit in {f"{letter}{end}" for letter in "kmgt" for end in ("b", "ib")}
            else unit
        )
    factor = units.get(unit)
    if factor is None:
        return None
    number = float(found[1]) * factor
    return number if 0 < number < math.inf else None
