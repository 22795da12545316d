"""``aiops warehouse``."""

import pytest

HEADER = "query,size,units,threads,memory_gib,price_per_hour,volume_gib,runtime_s,spilled_gib,outcome,started_at"
SIZES = {"S": "1,8,16,3", "M": "2,16,32,6", "L": "4,32,64,12"}


def write(file, rows):
    file.write_text("\n".join([HEADER, *rows]))


def runs():
    """Two queries on three sizes: one that spills on the smallest, one that needs little."""
    rows = []
    for day in range(1, 29):
        name = "SML"[day % 3]
        factor = {"S": 1.0, "M": 0.55, "L": 0.3}[name]
        spilled = 20 if name == "S" else 0
        start = f"2026-02-{day:02}T06:00:00Z"
        rows += [
            f"large,{name},{SIZES[name]},40,{3000 * factor * (3 if spilled else 1)},{spilled},,{start}",
            f"small,{name},{SIZES[name]},1,{20 * factor**0.2},,success,{start}",
        ]
    return rows


def test_a_query_gets_the_size_of_least_cost(aiops, tmp_path):
    """With units, interval, reason and use over the week."""
    write(tmp_path / "runs.csv", runs())
    large = aiops("warehouse", "runs.csv", "--query", "large", "--output", "json").data
    small = aiops("warehouse", "runs.csv", "--query", "small", "--output", "json").data

    assert "S" == small["choice"]["size"]["name"]
    assert "S" != large["choice"]["size"]["name"]
    units = large["choice"]["units"]
    assert 0 < units["p50"] < units["p80"] < units["p95"]
    assert (28, 1, 40) == (large["own_runs"], large["other_queries"], large["volume_gib"])
    week = large["units_by_hour_of_week"]
    assert 168 == len(week)
    assert 7 * units["p50"] == pytest.approx(sum(week), rel=0.05)
    assert week[6] > 0 == week[12]


def test_people_read_tables(aiops, tmp_path):
    """The reason first; the day that is asked for in UTC."""
    write(tmp_path / "runs.csv", runs())
    out = aiops("warehouse", "runs.csv", "--query", "large").out

    assert "from 28 runs of large" in out
    assert "Units in use over the week (UTC)" in out
    assert "06:00" in out


def test_a_new_query_is_judged_by_the_others(aiops, tmp_path):
    """Once its volume is known; a size that nobody tried may be described."""
    write(tmp_path / "runs.csv", [*runs(), ",XL,8,64,128,24,,,,,"])
    refused = aiops("warehouse", "runs.csv", "--query", "new")
    asked = ("warehouse", "runs.csv", "--query", "new", "--volume-gib", "30")
    found = aiops(*asked, "--output", "json").data

    assert 2 == refused.status
    assert "--volume-gib" in refused.err
    assert {"S", "M", "L", "XL"} == {one["size"]["name"] for one in found["forecasts"]}
    assert [] == found["units_by_hour_of_week"]
    assert "Use over the week: unknown" in aiops(*asked).out


def test_a_deadline_asks_for_more(aiops, tmp_path):
    """And one that nothing keeps is said."""
    write(tmp_path / "runs.csv", runs())
    tight = aiops(
        "warehouse", "runs.csv", "--query", "large", "--deadline-s", "1300", "--output", "json"
    )
    none = aiops("warehouse", "runs.csv", "--query", "large", "--deadline-s", "1")

    assert "L" == tight.data["choice"]["size"]["name"]
    assert "no size keeps 1 s" in none.out


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("q,,1,8,16,3,1,1,,,", "size: is missing"),
        ("q,S,1,8,16,,1,1,,,", "price_per_hour"),
        ("q,S,1,8,16,4,1,1,,,", "another price or make"),
        ("q,S,1,8,16,3,,1,,,", "volume_gib"),
        ("q,S,1,8,16,3,1,0,,,", "runtime_s"),
        ("q,S,1,8,16,3,1,1,-2,,", "is no number >= 0"),
        ("q,S,1,8,16,3,1,1,,,yesterday", "started_at"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(aiops, tmp_path, row, said):
    """Exit status 2; the message names the column."""
    write(tmp_path / "runs.csv", [*runs(), row])
    answer = aiops("warehouse", "runs.csv", "--query", "large")

    assert 2 == answer.status
    assert said in answer.err


def test_a_file_without_runs_is_refused(aiops, tmp_path):
    """It says what is expected."""
    write(tmp_path / "runs.csv", [])

    assert "holds no run" in aiops("warehouse", "runs.csv", "--query", "q", "--volume-gib", "1").err
