"""Which kind of storage a location is, and what a task needs of it."""

from __future__ import annotations

from aiops_provider.domain.profile import StorageNeed
from aiops_provider.domain.workload import Dataset
from aiops_provider.profiling.priors.data_size import on_disk_gib, size_in_words, size_is_known
from aiops_provider.profiling.priors.guess import Guess

_CLASS_BY_SCHEME = {
    "warehouse": (
        "snowflake",
        "bigquery",
        "bq",
        "redshift",
        "databricks",
        "synapse",
        "trino",
        "hive",
    ),
    "sql": ("postgres", "postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql", "jdbc"),
    "key_value": ("redis", "rediss", "memcached", "dynamodb", "cassandra", "mongodb"),
    "object": ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "az", "oss", "minio"),
    "file": ("file", "nfs", "hdfs", "sftp", "dbfs"),
    "stream": ("kafka", "kinesis", "pubsub", "eventhub", "pulsar"),
    "in_memory": ("memory", "arrow", "plasma"),
}
_SCHEMES = {scheme: name for name, schemes in _CLASS_BY_SCHEME.items() for scheme in schemes}


def storage_class(dataset: Dataset) -> str | None:
    """
    The storage class that a location's scheme or the format tells.

    >>> storage_class(Dataset(location="s3://bucket/patients"))
    'object'
    """
    scheme, colon, _ = (dataset.location or "").partition(":")
    known = _SCHEMES.get(scheme.lower().split("+")[0]) if colon else None
    if known is not None:
        return known
    if (dataset.location or "").startswith("/"):
        return "file"
    return "sql" if (dataset.format or "").lower() == "table" else None


def runs_in_warehouse(dataset: Dataset) -> bool:
    """Whether a warehouse does the work and the task only waits for it."""
    return storage_class(dataset) == "warehouse"


def storage_need(role: str, dataset: Dataset) -> tuple[StorageNeed, ...]:
    """What is needed of the storage, if both its class and the size are known."""
    name = storage_class(dataset)
    if name is None or not size_is_known(dataset):
        return ()
    capacity = on_disk_gib(dataset).quantity(size_in_words(dataset))
    return (
        StorageNeed(
            role=role,
            storage_class=name,
            capacity_gib=capacity,
            reason=f"{role} is said to be there",
        ),
    )


def intermediate_need(size_gib: Guess, *, reason: str) -> tuple[StorageNeed, ...]:
    """Results that are held between the steps of a task; in memory as long as a machine has it."""
    name = "in_memory" if size_gib.p95 <= 64 else "object"
    return (
        StorageNeed(
            role="intermediate",
            storage_class=name,
            capacity_gib=size_gib.quantity(reason),
            reason="held in memory up to 64 GiB, beyond that in files",
        ),
    )
