"""The command line that all benchmarks share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.report import Report

_DATA_FROM_ENVIRONMENT = "AIOPS_SHARED_DATA"
_DATA_BESIDE_THE_PROJECT = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    What the user asked for.

    Attributes:
        data: Folder of the area's data sets.
        seed: Of everything random.
        extra: Options of one benchmark alone.
    """

    data: Path
    seed: int
    extra: argparse.Namespace = field(default_factory=argparse.Namespace)


def data_folder(area: str) -> Path:
    """Where the data sets of an area lie: under AIOPS_SHARED_DATA, else beside the project."""
    root = os.environ.get(_DATA_FROM_ENVIRONMENT)
    return (Path(root) if root else _DATA_BESIDE_THE_PROJECT) / area


def run(
    area: str | None,
    measure: Callable[[Options], Report],
    *,
    add_options: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """
    Read the command line, measure, print; the exit status is 1 if a limit was not met.

    Args:
        area: profiling, placement, detection …; ``None`` for a benchmark that reads no data.
        measure: Does the work.
        add_options: Adds options of this benchmark alone.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--data", type=Path, default=data_folder(area or "."), metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", choices=("table", "json"), default="table")
    if add_options is not None:
        add_options(parser)
    arguments = parser.parse_args()
    if area is not None and not arguments.data.is_dir():
        parser.error(
            f"--data {arguments.data} is no folder: name one in the format of the project's shared "
            f"data, or set {_DATA_FROM_ENVIRONMENT} to the folder above it"
        )
    report = measure(Options(data=arguments.data, seed=arguments.seed, extra=arguments))
    print(report.to_json() if arguments.output == "json" else report.to_markdown())
    return 0 if all(must.met for must in report.musts) else 1
