"""Samples and records as the API takes them."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiops_provider.domain.execution import ExecutionRecord
    from aiops_provider.domain.kpi import KpiSample


def sample_fields(sample: KpiSample) -> dict[str, Any]:
    """A KPI sample as JSON."""
    return {
        "name": sample.name,
        "observed_at": sample.observed_at.isoformat(),
        "value": sample.value,
        "dimensions": dict(sample.dimensions),
        "context": dict(sample.context),
        "idempotency_key": sample.idempotency_key,
    }


def record_fields(record: ExecutionRecord) -> dict[str, Any]:
    """An execution record as JSON."""
    return {key: _plain(value) for key, value in asdict(record).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
