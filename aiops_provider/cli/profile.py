"""``aiops profile``: what a described task will need, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, table
from aiops_provider.domain.promise import probability_below

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.profile_task import ProfiledTask
    from aiops_provider.domain.profile import ByInput, Choice, Quantity, WorkloadProfile

# Figures of a profile with their unit, in the order in which people ask for them.
_FIGURES = (
    ("memory_gib", "memory", "GiB"),
    ("cores", "cores", ""),
    ("duration_s", "duration", "s"),
    ("accelerator_memory_gib", "GPU memory", "GiB"),
    ("local_disk_gib", "local disk", "GiB"),
    ("network_gbps", "network", "Gbit/s"),
    ("io_mib_per_s", "disk traffic", "MiB/s"),
    ("memory_gb_per_s", "memory traffic", "GB/s"),
    ("host_to_device_gb_per_s", "host to GPU", "GB/s"),
    ("latency_ms", "latency", "ms"),
    ("warehouse_units", "warehouse", "units"),
)

_CHOICES = (
    ("accelerator_choice", "accelerator"),
    ("cpu_family", "CPU family"),
    ("serving_runtime", "serving runtime"),
    ("qos_class", "QoS class"),
    ("location", "location"),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("profile")(profile)


def profile(
    task_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="TASK.yaml", help="`task: namespace/name`, `kind:` and what is known about it."
        ),
    ] = None,
    *,
    sentence: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help='Instead of a file: "nightly XGBoost on 50 GB of claims".'
        ),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a task file, and stop.")
    ] = False,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="RUNS.csv|jsonl",
            help="Its finished runs: started_at, ended_at or duration_s, outcome, peak_memory_gib, "
            "cpu_seconds, requested_memory_gib, input_gib … (all are in the guide `Describing tasks`).",
        ),
    ] = None,
    why: Annotated[bool, typer.Option("--why", help="Say where each figure comes from.")] = False,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Predict what a task will need: memory, cores, duration, accelerators, and the request."""
    from aiops_provider.control.profile_task import profile_sentence, profile_task
    from aiops_provider.domain.units import utc_now
    from aiops_provider.domain.workload import description_schema

    if schema:
        typer.echo(json.dumps(description_schema(), indent=2))
        return
    if (task_file is None) == (sentence is None):
        raise typer.BadParameter("give either a TASK.yaml or --sentence")
    settings = read_settings(config)
    if task_file is not None:
        made = profile_task(task_file, history_file=history, settings=settings, now=utc_now())
    else:
        made = profile_sentence(
            sentence or "", history_file=history, settings=settings, now=utc_now()
        )
    for question in made.questions:
        note(question)
    if made.others:
        note(f"Rows of other tasks left out: {made.others}")
    emit(made.profile, output=output, view=lambda: _view(made, why=why))


def _view(made: ProfiledTask, *, why: bool) -> Iterator[RenderableType]:
    needed = made.profile
    columns = ["figure", "p50", "p80", "p95", "unit", "source", "runs"]
    rows: list[list[object]] = []
    for name, words, unit in _FIGURES:
        figure: Quantity | None = getattr(needed, name)
        if figure is not None:
            row = [words, figure.p50, figure.p80, figure.p95, unit]
            rows.append([*row, figure.source.value, figure.sample_count, *([figure.reason] * why)])
    yield table(
        f"What {needed.task} will need",
        [*columns, *(["why"] * why)],
        rows,
        right=("p50", "p80", "p95", "runs"),
    )
    yield table("What is asked for", ["resource", "amount", "why"], _request(needed))
    if needed.by_input is not None:
        yield table(
            "By what is known of the input",
            [needed.by_input.measure, "memory p50", "duration p50", "asked for"],
            _by_input(needed.by_input),
            right=("memory p50", "duration p50", "asked for"),
        )
    if needed.by_input is not None and needed.by_input.shares:
        yield table(
            "What a plan counts",
            [f"{needed.by_input.measure} up to", "of the runs", "duration p50", "asked for"],
            _shares(needed.by_input),
            right=("of the runs", "duration p50", "asked for"),
        )
    choices = _choices(needed)
    if choices:
        yield table("What is chosen", ["choice", "value", "source", "why"], choices)
    terms = _terms(needed)
    if terms:
        yield table("Terms", ["term", "value"], terms)


def _request(needed: WorkloadProfile) -> list[list[object]]:
    request = needed.request
    rows: list[list[object]] = [
        ["memory", f"{request.memory_gib:g} GiB", request.reason],
        ["cores", f"{request.cores:g}", "enough for four runs in five; fewer only slow it down"],
    ]
    if request.accelerators:
        model = request.accelerator or "any GPU"
        rows.append(["accelerators", f"{request.accelerators} x {model}", needed.memory_gib.reason])
    if needed.instances > 1:
        rows.append(["instances", str(needed.instances), "to keep up with the demand"])
    return rows


def _by_input(by: ByInput) -> list[list[object]]:
    return [
        [
            each.at if isinstance(each.at, str) else f"{each.at:.6g}",
            f"{each.memory_gib.p50:.3g} GiB",
            f"{each.duration_s.p50:.4g} s",
            f"{each.request.memory_gib:g} GiB",
        ]
        for each in by.classes
    ]


def _shares(by: ByInput) -> list[list[object]]:
    return [
        [
            each.at if isinstance(each.at, str) else f"{each.at:.6g}",
            f"{each.share:.1%}",
            f"{each.duration_s.p50:.4g} s",
            f"{each.memory_gib:g} GiB",
        ]
        for each in by.shares
    ]


def _busiest(needed: WorkloadProfile) -> str | None:
    use = needed.use_by_hour_of_week
    if use is None:
        return None
    hour = max(range(len(use.p50)), key=lambda slot: use.p50[slot])
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[hour // 24]
    return (
        f"{day} {hour % 24:02d} UTC: {use.p50[hour]:g} {use.unit}, p95 {use.p95[hour]:g}; "
        f"{use.source.value} from {use.sample_count} hours ({use.reason})"
    )


def _choices(needed: WorkloadProfile) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, words in _CHOICES:
        choice: Choice | None = getattr(needed, name)
        if choice is not None:
            rows.append([words, choice.value, choice.source.value, choice.reason])
    rows += [
        [f"{need.role} storage", need.storage_class, need.source.value, need.reason]
        for need in needed.storage
    ]
    return rows


def _kept(limit: float | None, unit: str, figure: Quantity | None, of: str) -> str | None:
    """What was asked for, and in what share of cases that is expected to be kept."""
    if limit is None or figure is None:
        return None if limit is None else f"{limit:g} {unit}"
    share = probability_below(limit, (figure.p50, figure.p80, figure.p95))
    return f"{limit:g} {unit}, kept by {100 * share:.3g} % of the {of} by these figures"


def _terms(needed: WorkloadProfile) -> list[list[object]]:
    starts = sum(needed.starts_by_hour_of_week)
    objective = _kept(needed.latency_objective_ms, "ms", needed.latency_ms, "answers")
    known: list[tuple[str, object]] = [
        ("starts per week", f"{starts:.4g}" if starts else None),
        ("busiest hour", _busiest(needed)),
        *(
            (f"time on {cluster}, pool {pool}", f"{pace:g} times as long, by its own runs there")
            for cluster, pool, pace in needed.pool_pace
        ),
        ("deadline", _kept(needed.deadline_s, "s", needed.duration_s, "runs")),
        ("latency objective", objective),
        ("SLA", f"{100 * needed.sla_attainment:g} % of the runs, weight {needed.sla_weight:g}"),
        ("allowed regions", ", ".join(needed.allowed_regions)),
        ("allowed providers", ", ".join(needed.allowed_providers)),
        ("users near", ", ".join(needed.user_regions)),
        ("data region", needed.data_region),
        ("pinned to cluster", needed.pinned_cluster),
        ("spread over", f"{needed.spread} ({needed.spread.strictness})" if needed.spread else None),
        *(
            (
                f"shares no {rule.domain} with",
                f"{', '.join(map(str, rule.tasks))} ({rule.strictness})",
            )
            for rule in needed.anti_affinity
        ),
        ("may run twice", "yes" if needed.idempotent else None),
    ]
    known += [
        (f"{need.role} storage", f"{need.storage_class}, {need.capacity_gib.p50:.3g} GiB")
        for need in needed.storage
    ]
    return [[term, value] for term, value in known if value]
