"""What job variables ask of a stock worker is evidence here."""

from __future__ import annotations

from typing import Any

import pytest

from aiops_provider.prefect.requested_memory import requested_memory_gib


@pytest.mark.parametrize(
    ("values", "gib"),
    [
        ({"memory": 2048}, 2.0),  # ECS: MiB
        ({"memory": "1024"}, 1.0),
        ({"memory": 1.5}, 1.5),  # Azure Container Instances: GB
        ({"memory": 512, "memory_unit": "Mi"}, 0.5),  # Cloud Run
        ({"memory": "4Gi"}, 4.0),
        ({"mem_limit": "512m"}, 0.5),  # Docker
        ({"memory_request": "1Gi", "memory_limit": "2Gi"}, 2.0),
        ({"memory_request": str(2**30)}, 1.0),
        ({"memory": "much"}, None),
        ({"memory": None, "mem_limit": ""}, None),
        ({}, None),
    ],
)
def test_each_worker_has_its_own_words(values: dict[str, Any], gib: float | None) -> None:
    """Numbers are read in the unit of the worker that takes them."""
    assert gib == requested_memory_gib(values)
