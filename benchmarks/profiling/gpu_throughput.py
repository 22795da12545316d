"""Throughput of an unseen model on other accelerators, from one probe: data, splits and peers."""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.catalog.names import accelerator_key
from aiops_provider.profiling.accelerator_throughput import (
    Measurement,
    ThroughputTransfer,
    datasheet_ratio,
)

OURS = "aiops throughput transfer"
MEDIAN_RATIO = "median ratio"
GBM = "GBM on features"
DATASHEET = "datasheet ratio"
Guess = Callable[[Measurement, str], float | None]
# A variant of a model with another accuracy target is no unseen model: MLPerf writes it so.
_TARGET = re.compile(r"-99(\.9)?$")


@dataclass(frozen=True, slots=True)
class Question:
    """A job measured on one type and asked for on another, with the answer."""

    probe: Measurement
    asked: str
    true_per_s: float


def family(job: str) -> str:
    """The model without its accuracy target."""
    return _TARGET.sub("", job)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def read_gavel(folder: Path) -> list[Measurement]:
    """Steps per second; how devices are spread is part of the setting, where there are several."""
    found = []
    for row in _rows(folder / "throughputs.csv.gz"):
        kind, _, spread = row["gpu_type"].partition("_")
        rate = float(row["steps_per_s"])
        if rate > 0 and not (row["gpus"] == "1" and spread):
            setting = (row["gpus"], spread)
            found.append(
                Measurement(
                    job=row["model"],
                    accelerator=kind,
                    setting=setting,
                    batch=row["batch_size"],
                    per_s=rate,
                )
            )
    return found


def read_mlperf_training(folder: Path, catalog: Catalog) -> list[Measurement]:
    """Trainings a minute by accelerator and number of devices: the median of the submissions."""
    grouped: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for row in _rows(folder / "training_v4.1.csv.gz"):
        devices, minutes = _devices(row), _number(row["ttt_min"])
        if devices and minutes:
            kind = known_name(row["accelerator_model_name"], catalog)
            grouped[row["benchmark"], kind, devices].append(1 / minutes)
    return [
        Measurement(job=job, accelerator=kind, setting=(str(devices),), per_s=median(rates))
        for (job, kind, devices), rates in sorted(grouped.items())
    ]


def read_mlperf_inference(folder: Path, catalog: Catalog) -> list[Measurement]:
    """Tokens or samples a second of one device: the median of the valid submissions."""
    grouped: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in _rows(folder / "inference_v4.1.csv.gz"):
        devices, rate = _devices(row), _number(row["throughput"])
        if devices and rate and row["valid"] == "VALID":
            kind = known_name(row["accelerator_model_name"], catalog)
            grouped[row["model"], row["scenario"].lower(), kind].append(rate / devices)
    return [
        Measurement(job=job, accelerator=kind, setting=(scenario,), per_s=median(rates))
        for (job, scenario, kind), rates in sorted(grouped.items())
    ]


def known_name(name: str, catalog: Catalog) -> str:
    """The catalogue's name of an accelerator that is written like it, else the name as it is."""
    wanted = accelerator_key(name)
    names = [each.name for each in catalog.accelerators()]
    held = [each for each in names if accelerator_key(each) in wanted]
    return max(held, key=len) if held else name


def _devices(row: Mapping[str, str]) -> int:
    return int(
        (_number(row["number_of_nodes"]) or 0) * (_number(row["accelerators_per_node"]) or 0)
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def questions(measurements: Iterable[Measurement]) -> list[Question]:
    """Every ordered pair of types that one job was measured on in one setting."""
    rates: dict[tuple[str, tuple[str, ...], str], dict[str, Measurement]] = defaultdict(dict)
    for one in measurements:
        rates[one.job, one.setting, one.batch][one.accelerator] = one
    return [
        Question(probe, other.accelerator, other.per_s)
        for by_type in rates.values()
        for probe in by_type.values()
        for other in by_type.values()
        if probe.accelerator != other.accelerator
    ]


def guessers(known: Sequence[Measurement], catalog: Catalog) -> dict[str, Guess]:
    """Ours and the peers, each having seen the known measurements only."""
    transfer = ThroughputTransfer(known, [replace(a, model=a.name) for a in catalog.accelerators()])
    pairs = questions(known)
    return {
        OURS: transfer.predict,
        MEDIAN_RATIO: _median_ratio(pairs),
        GBM: _gradient_boosting(pairs),
        DATASHEET: lambda probe, asked: _by_datasheet(probe, asked, catalog),
    }


def best_probe(known: Sequence[Measurement], asked: str, among: Iterable[str]) -> str | None:
    """The type that ours would measure on, from the other models alone."""
    return ThroughputTransfer(known).best_probe(asked, among)


def _median_ratio(pairs: Sequence[Question]) -> Guess:
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for pair in pairs:
        ratios[pair.probe.accelerator, pair.asked].append(pair.true_per_s / pair.probe.per_s)

    def guess(probe: Measurement, asked: str) -> float | None:
        found = ratios.get((probe.accelerator, asked))
        return probe.per_s * median(found) if found else None

    return guess


def _gradient_boosting(pairs: Sequence[Question]) -> Guess:
    from sklearn.ensemble import GradientBoostingRegressor

    words = sorted({w for p in pairs for w in (p.probe.accelerator, p.asked, *p.probe.setting)})
    number = {word: float(at) for at, word in enumerate(words)}

    def row(probe: Measurement, asked: str) -> list[float]:
        names = (probe.accelerator, asked, *probe.setting)
        codes = [number.get(name, -1.0) for name in names]
        return [math.log(probe.per_s), _number(probe.batch) or -1.0, *codes]

    if not pairs:
        return lambda _probe, _asked: None
    features = np.array([row(pair.probe, pair.asked) for pair in pairs])
    ratios = [math.log(pair.true_per_s / pair.probe.per_s) for pair in pairs]
    fitted = GradientBoostingRegressor(random_state=0).fit(features, ratios)
    known = {(pair.probe.accelerator, pair.asked) for pair in pairs}

    def guess(probe: Measurement, asked: str) -> float | None:
        if (probe.accelerator, asked) not in known:
            return None
        return probe.per_s * math.exp(float(fitted.predict([row(probe, asked)])[0]))

    return guess


def _by_datasheet(probe: Measurement, asked: str, catalog: Catalog) -> float | None:
    first, second = catalog.accelerator(probe.accelerator), catalog.accelerator(asked)
    ratio = None if first is None or second is None else datasheet_ratio(first, second)
    return None if ratio is None else probe.per_s * ratio
