"""The jobs and splits of the benchmark of runtimes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.profiling.runtime_jobs import Job, read_jobs, splits

HEADER = "instance_count\tmachine_type\tslots\tmemory\tdata_size_MB\tshare\tgross_runtime\n"


def rows(machine: str) -> str:
    return "".join(
        f"{workers}\t{machine}\t{workers * 4}\t16000\t{size}\t0.0\t{time}\n"
        for workers in (2, 4, 6, 8)
        for size in (1000, 2000, 4000, 8000)
        for time in (90, 100, 500)
    )


def jobs_of(folder: Path) -> list[Job]:
    (folder / "c3o").mkdir()
    (folder / "c3o" / "sort.tsv").write_text(HEADER + rows("a") + rows("b"), encoding="utf-8")
    return read_jobs(folder)


def test_repetitions_count_once_with_their_median(tmp_path: Path):
    """Three runs of one configuration are one row, and a share of zero enters as one."""
    (job,) = jobs_of(tmp_path)
    assert (job.name, len(job.features), set(job.runtimes_s)) == ("sort", 32, {100.0})
    assert job.features[0] == {
        "workers": 2,
        "cores": 8,
        "memory_mb": 2000,  # per core
        "data_size_mb": 1000,
        "share": 1,
    }


def test_no_configuration_is_known_and_asked_for(tmp_path: Path):
    """Every split parts the configurations, and the unseen machine type is not among the known."""
    (job,) = jobs_of(tmp_path)
    for split in splits(job, seed=0):
        assert sorted([*split.known, *split.asked]) == list(range(32))
        if split.name == "unseen machine":
            assert not set(job.machines[split.known]) & set(job.machines[split.asked])
        elif split.name == "20 runs":
            assert np.size(split.known) == 20
