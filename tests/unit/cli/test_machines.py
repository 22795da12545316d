"""``aiops machines``."""

import pytest


def write(file, rows, header="task,configuration,usd_per_hour,duration_s,outcome,machines,family"):
    file.write_text("\n".join([header, *rows]))


def runs():
    """Two known tasks on four configurations; large ones are dear."""
    return [
        f"{task},{machines} x {family},{machines * price},{work / machines**0.5},success,{machines},{family}"
        for task, work in (("sort_a", 100), ("sort_b", 300))
        for family, price in (("c", 0.2), ("m", 0.3))
        for machines in (1, 4)
    ]


def test_a_task_without_runs_gets_a_choice(aiops, tmp_path):
    """And the configuration to try."""
    write(tmp_path / "runs.csv", runs())
    answer = aiops("machines", "runs.csv", "--task", "sort_c", "--output", "json")

    assert 0 == answer.status
    assert "1 x c" == answer.data["choice"]["configuration"]["name"]
    assert "1 x c" == answer.data["next_probe"]["configuration"]["name"]
    assert (0, 2) == (answer.data["own_runs"], answer.data["other_tasks"])
    assert "Worth trying next: 1 x c" in aiops("machines", "runs.csv", "--task", "sort_c").out


def test_the_least_time_is_asked_for(aiops, tmp_path):
    """More machines are faster."""
    write(tmp_path / "runs.csv", runs())
    asked = ("machines", "runs.csv", "--task", "sort_c", "--time-weight", "1", "--output", "json")

    assert aiops(*asked).data["choice"]["configuration"]["name"].startswith("4 x")


def test_a_configuration_that_nobody_tried_may_be_described(aiops, tmp_path):
    """A line without a task."""
    write(tmp_path / "runs.csv", [*runs(), ",1 x e,0.05,,,1,e"])
    answer = aiops("machines", "runs.csv", "--task", "sort_a", "--output", "json")

    assert "1 x e" in {one["configuration"]["name"] for one in answer.data["forecasts"]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("sort_c,,1,5,success,1,c", "configuration: is missing"),
        ("sort_c,1 x z,,5,success,1,c", "usd_per_hour"),
        ("sort_c,1 x z,1,,success,1,c", "duration_s"),
        ("sort_c,1 x c,9,5,success,1,c", "another price or make"),
        ("sort_c,1 x z,-1,5,success,1,c", "is no number >= 0"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(aiops, tmp_path, row, said):
    """Exit status 2; the message names the line and the mend."""
    write(tmp_path / "runs.csv", [*runs(), row])
    answer = aiops("machines", "runs.csv", "--task", "sort_c")

    assert 2 == answer.status
    assert said in answer.err


def test_an_empty_file_is_refused(aiops, tmp_path):
    """It says what is expected."""
    write(tmp_path / "runs.csv", [])

    assert "holds no rows" in aiops("machines", "runs.csv", "--task", "t").err


def sized_runs():
    """A job of which a tenth does not get faster with more machines; runs on 2 and 8 of them."""
    return [
        f"join,{machines} x {family},{machines * price},{seconds(machines, gib, slow)},success,"
        f"{machines},{family},{gib}"
        for family, price, slow in (("c", 0.2, 1.0), ("m", 0.3, 1.1))
        for machines in (2, 4, 8)
        for gib in (5, 10, 40)
    ]


def seconds(machines, gib, slow=1.0):
    return slow * gib * (3 + 27 / machines) + 1


SIZED = "task,configuration,usd_per_hour,duration_s,outcome,machines,family,input_gib"


def test_a_size_of_the_input_gets_a_choice_of_its_own(aiops, tmp_path):
    """Also for a number of machines that nobody tried; not for a family that nobody did."""
    untried = [",12 x c,2.4,,,12,c,", ",4 x z,0.1,,,4,z,", ",99 x c,19.8,,,99,c,"]
    write(tmp_path / "runs.csv", [*sized_runs(), *untried], header=SIZED)
    asked = ("machines", "runs.csv", "--task", "join", "--time-weight", "1", "--output", "json")
    answer = aiops(*asked, "--input-gib", "20").data

    told = {one["configuration"]["name"]: one["p50_s"] for one in answer["forecasts"]}
    assert {"2 x c", "4 x c", "8 x c", "2 x m", "4 x m", "8 x m", "12 x c"} == told.keys()
    assert told["4 x c"] == pytest.approx(seconds(4, 20), rel=0.1)
    assert told["12 x c"] == pytest.approx(seconds(12, 20), rel=0.25)
    assert "12 x c" == answer["choice"]["configuration"]["name"]
    assert answer["next_probe"] is None
    shown = aiops("machines", "runs.csv", "--task", "join", "--input-gib", "20")
    assert "for 20 GiB of input, 18 runs of its own" in shown.out.replace("\n", " ")


def test_too_few_runs_of_known_size_are_told(aiops, tmp_path):
    """With the column to fill."""
    write(tmp_path / "runs.csv", runs())
    answer = aiops("machines", "runs.csv", "--task", "sort_a", "--input-gib", "20")
    assert (2, True) == (answer.status, "0 good runs of the task" in answer.err)
    write(tmp_path / "runs.csv", sized_runs(), header=SIZED)
    answer = aiops("machines", "runs.csv", "--task", "join", "--input-gib", "-1")
    assert (2, True) == (answer.status, "is no size above 0" in answer.err)
