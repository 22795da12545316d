"""Prior of a task of which only the operator and perhaps the input's size are known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aiops_provider.domain.profile import ComputeType
from aiops_provider.domain.workload import Dataset, Generic
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.priors.data_size import (
    held_gib,
    in_memory_gib,
    size_in_words,
    size_is_known,
)
from aiops_provider.profiling.priors.guess import (
    NOTHING,
    PROCESS_MEMORY_GIB,
    PROCESS_START_S,
    Guess,
    between,
)

# Per GiB of input on one core; twice as doubtful as for an ETL task.
_SECONDS_PER_GIB = between(20.0, 400.0)


@dataclass(frozen=True, slots=True)
class _Manner:
    """How operators of one sort use a machine."""

    words: tuple[str, ...]
    name: str
    cores: Guess
    work_s: Guess
    extra_gib: Guess = NOTHING
    reads_input: bool = True


# Told by the operator's class name; the first that matches. Figures are engineering assumptions
# about what the class does in the worker's own process, hence wide.
_MANNERS = (
    _Manner(
        ("sensor", "wait"),
        "it mostly waits",
        cores=Guess(0.05, 0.1, 0.25),
        work_s=between(60.0, 3600.0),
        reads_input=False,
    ),
    _Manner(
        (
            "kubernetespod", "spark", "databricks", "emr", "dataproc", "bigquery", "snowflake",
            "redshift", "athena", "glue", "sagemaker", "vertexai", "batchoperator", "ecs", "aci",
            "dbtcloud", "sqlexecutequery", "cloudrun", "lambda", "livy", "trino",
        ),
        "the work is done elsewhere",
        cores=Guess(0.1, 0.2, 0.5),
        work_s=between(120.0, 3600.0),
        reads_input=False,
    ),
    _Manner(
        (
            "empty", "dummy", "branch", "shortcircuit", "triggerdagrun", "latestonly", "email",
            "slack", "http", "assert",
        ),
        "it does little",
        cores=Guess(0.25, 0.5, 1.0),
        work_s=between(1.0, 10.0),
        reads_input=False,
    ),
)  # fmt: skip
# A query is run by its database; this process waits. What only defines or empties tables is quick there,
# unless it fills them from a query.
_QUERY = next(manner for manner in _MANNERS if "sqlexecutequery" in manner.words)
_DEFINITIONS = _Manner(
    (),
    "its statements only define or empty tables",
    cores=_QUERY.cores,
    work_s=between(1.0, 30.0),
    reads_input=False,
)
_DEFINING = re.compile(
    r"(create|drop|alter|truncate|comment|grant|revoke|set|use|analyze)\b", re.IGNORECASE
)
_FILLING = re.compile(r"\bas\s*\(?\s*(select|with)\b", re.IGNORECASE)
_SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)

# What of a request is used. People who ask for a task know it better than a form does that knows no
# more than its operator; but they ask in steps and for the worst case they remember. The median is
# what Google saw used of limits set by hand (Autopilot, EuroSys 2020: 46 % unused); that the upper
# quantiles lie close together, since a request is a bound, is an engineering assumption.
_SHARES_OF_REQUEST = Guess(0.54, 0.72, 0.75)
_ANYTHING = _Manner(
    (),
    "nothing tells what it does",
    cores=Guess(0.8, 1.0, 2.0),
    work_s=between(20.0, 1800.0),
    # Half of such tasks hold hardly any data, few hold a lot.
    extra_gib=Guess(0.0, 0.05, 0.3),
)


def generic_prior(description: Generic) -> Estimate:
    """
    A process, what its operator is known to do, and its input as one data frame.

    An input of known size replaces the guess about the data that is held.
    """
    manner = _manner(description)
    dataset = Dataset(volume_gib=description.input_gib, rows=description.input_rows)
    sized = size_is_known(dataset) and manner.reads_input
    data = held_gib(in_memory_gib(dataset)) if sized else manner.extra_gib
    work = manner.work_s
    if sized and description.input_gib:
        work = between(2.0, 60.0) + _SECONDS_PER_GIB * description.input_gib
    memory = PROCESS_MEMORY_GIB + data
    what = f"prior for {description.operator or 'a task'}: {manner.name}"
    if sized:
        what = f"prior for {description.operator or 'a task'} reading {size_in_words(dataset)}"
    if description.requested_memory_gib:
        memory = _SHARES_OF_REQUEST * description.requested_memory_gib
        what = f"{what}, for which people ask {description.requested_memory_gib:.4g} GiB"
    return Estimate(
        compute_type=ComputeType.CPU,
        memory_gib=memory.quantity(what),
        cores=manner.cores.quantity(what),
        duration_s=(PROCESS_START_S + work).quantity(what),
    )


def _manner(description: Generic) -> _Manner:
    name = (description.operator or "").lower()
    sql = description.parameters.get("sql")
    statements = list(_statements(sql)) if isinstance(sql, str) else []
    known = next((m for m in _MANNERS if any(word in name for word in m.words)), None)
    if statements and known in (None, _QUERY):
        if all(_DEFINING.match(each) and not _FILLING.search(each) for each in statements):
            return _DEFINITIONS
        return _QUERY
    return known or _ANYTHING


def _statements(sql: str) -> Iterator[str]:
    """The statements of a query, roughly: a semicolon within a text makes two of one."""
    for statement in _SQL_COMMENT.sub(" ", sql).split(";"):
        if text := statement.strip():
            yield text
