"""Amounts of memory as hosts write them."""

from __future__ import annotations

import pytest

from aiops_provider.domain.quantity_text import gib_from_docker_size, gib_from_quantity


@pytest.mark.parametrize(
    ("said", "gib"),
    [
        ("1Gi", 1.0),
        ("1536Mi", 1.5),
        (2**30, 1.0),
        ("1073741824000m", 1.0),
        ("1e9", 1e9 / 2**30),
        ("1.5G", 1.5e9 / 2**30),
        (".5Gi", 0.5),
        (" 2 Ti ", 2048.0),
    ],
)
def test_quantities_of_kubernetes(said: object, gib: float) -> None:
    """Decimal and binary suffixes, milli and exponents are what Kubernetes says they are."""
    assert gib == pytest.approx(gib_from_quantity(said))


@pytest.mark.parametrize(("said", "gib"), [("512m", 0.5), ("1g", 1.0), ("2GiB", 2.0), (2**29, 0.5)])
def test_sizes_of_docker(said: object, gib: float) -> None:
    """A small m is a mebibyte there."""
    assert gib == pytest.approx(gib_from_docker_size(said))


@pytest.mark.parametrize("said", [None, "", "much", "-1Gi", "0", True, "1Xi", "nan", "1e999Ei", {}])
def test_no_amount(said: object) -> None:
    """What is no amount above zero is none, and raises nothing."""
    assert gib_from_quantity(said) is None
    assert gib_from_docker_size(said) is None
