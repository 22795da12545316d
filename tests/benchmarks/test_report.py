import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.report import Report, at_least, at_most

REPORT = Report(
    bench="area.bench",
    data="made up",
    seed=3,
    rows=[
        {"peer": "ours", "error": np.float64(0.123456)},
        {"peer": "naive", "error": float("inf")},
    ],
    musts=[at_most("error", 0.1, 0.2), at_least("cover", 0.5, 0.8)],
    notes=["n = 2"],
)


def test_json_is_read_by_any_program():
    """Scalars of numpy are plain numbers, what is no number is null."""
    read = json.loads(REPORT.to_json())
    assert [0.123456, None] == [row["error"] for row in read["rows"]]
    assert [True, False] == [must["met"] for must in read["musts"]]


def test_markdown_shows_rows_limits_and_notes():
    """Whoever reads the page sees what was missed."""
    page = REPORT.to_markdown()
    assert "| ours | 0.1235 |" in page
    assert "| naive | – |" in page
    assert "| cover | 0.5 | >= 0.8 | **no** |" in page
    assert "- n = 2" in page


def test_a_command_ends_with_1_when_a_limit_is_missed_and_with_2_without_data(tmp_path):
    """Scripts can tell a missed limit from a wrong call."""
    script = tmp_path / "bench.py"
    script.write_text(
        "import sys\n"
        "from benchmarks.command import run\n"
        "from benchmarks.report import Report, at_most\n"
        "def measure(options):\n"
        "    return Report(bench='a.b', data='x', seed=options.seed, rows=[],"
        " musts=[at_most('m', 2.0, 1.0)])\n"
        "sys.exit(run('a', measure))\n"
    )

    def status(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        return done.returncode, done.stdout + done.stderr

    code, printed = status("--data", str(tmp_path), "--seed", "7", "--output", "json")
    assert (1, 7) == (code, json.loads(printed)["seed"])
    code, printed = status("--data", str(tmp_path / "absent"))
    assert 2 == code
    assert "absent is no folder" in printed
