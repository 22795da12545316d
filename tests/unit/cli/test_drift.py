"""``aiops drift``."""

from __future__ import annotations

import json

import numpy as np
import pytest


def written(path, *, rows=2_000, seed=0, age=40.0, male=0.5, missing=0.0):
    rng = np.random.default_rng(seed)
    lines = ["age,sex,patient,height"]
    for number in range(rows):
        sex = "m" if rng.random() < male else "f"
        years = "" if rng.random() < missing else f"{rng.normal(age, 10):.3f}"
        lines.append(f"{years},{sex},id-{seed}-{number},{rng.normal(170, 9):.2f}")
    path.write_text("\n".join(lines))
    return path.name


def drifted(answer):
    return {one["column"] for one in answer.data["columns"] if one["drifted"]}


@pytest.fixture
def before(tmp_path):
    return written(tmp_path / "before.csv")


def test_stable_data_do_not_drift(aiops, tmp_path, before):
    """Another sample of the same: exit status 0; identifiers are not categories."""
    now = written(tmp_path / "now.csv", seed=1)
    told = aiops("drift", now, "--reference", before, "--fail-on-drift", "-o", "json")
    assert (0, False, set()) == (told.status, told.data["drifted"], drifted(told))
    kinds = {one["column"]: one["kind"] for one in told.data["columns"]}
    assert {
        "age": "numeric",
        "height": "numeric",
        "sex": "categorical",
        "patient": "names",
    } == kinds


@pytest.mark.parametrize(
    ("change", "column"),
    [({"age": 46.0}, "age"), ({"male": 0.75}, "sex"), ({"missing": 0.3}, "age")],
)
def test_what_moved_is_named(aiops, tmp_path, before, change, column):
    """A mean, a share, or what is missing; with its effect."""
    now = written(tmp_path / "now.csv", seed=1, **change)
    told = aiops("drift", now, "--reference", before, "--fail-on-drift", "-o", "json")
    assert (1, {column}) == (told.status, drifted(told))
    first = told.data["columns"][0]
    wanted = {"age": 0.6, "male": 0.25, "missing": 0.3}[next(iter(change))]
    effect = (first["missing"] if "missing" in change else first["values"])["effect"]
    assert wanted == pytest.approx(effect, abs=0.06)
    assert 0 == aiops("drift", now, "--reference", before).status


def test_certain_but_small_does_not_matter(aiops, tmp_path):
    """Half a year in ten is certain in many rows, and no drift until it is asked for."""
    old = written(tmp_path / "old.csv", rows=20_000)
    now = written(tmp_path / "now.csv", rows=20_000, seed=1, age=40.6)
    told = aiops("drift", now, "--reference", old, "-o", "json")
    age = next(one for one in told.data["columns"] if one["column"] == "age")
    assert age["values"]["p_value"] < 1e-4
    assert not age["drifted"]
    told = aiops("drift", now, "--reference", old, "--least-effect", "0.03", "-o", "json")
    assert {"age"} == drifted(told)


def test_parquet_and_json_lines_are_read_too(aiops, tmp_path, before):
    """The same columns in another format, one of them gone and one new."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rng = np.random.default_rng(3)
    age, sex = rng.normal(40, 10, 2_000), rng.choice(["m", "f"], 2_000)
    parquet.write_table(
        pyarrow.table({"age": age, "sex": sex, "weight": age}), tmp_path / "now.parquet"
    )
    rows = (
        json.dumps({"age": a, "sex": s, "weight": a})
        for a, s in zip(age.tolist(), sex.tolist(), strict=True)
    )
    (tmp_path / "now.jsonl").write_text("\n".join(rows))
    for name in ("now.parquet", "now.jsonl"):
        told = aiops("drift", name, "--reference", before, "-o", "json")
        assert (["patient", "height"], ["weight"]) == (told.data["absent"], told.data["new"])
        assert told.data["drifted"]
        assert set() == drifted(told)
    assert "Gone: patient, height" in aiops("drift", "now.jsonl", "--reference", before).out


def test_codes_are_the_same_codes_in_both_files(aiops, tmp_path):
    """A column of numbers now, of numbers and a letter before, is compared as texts."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    codes = [str(number % 4) for number in range(800)]
    (tmp_path / "before.csv").write_text("\n".join(["ward", "A", *codes]))
    (tmp_path / "now.csv").write_text("\n".join(["ward", *codes]))
    parquet.write_table(pyarrow.table({"ward": [int(c) for c in codes]}), tmp_path / "now.parquet")
    for name in ("now.csv", "now.parquet"):
        told = aiops("drift", name, "--reference", "before.csv", "-o", "json")
        ward = told.data["columns"][0]
        assert ("categorical", False) == (ward["kind"], ward["drifted"])
        assert ward["values"]["effect"] < 0.01


@pytest.mark.parametrize(
    ("text", "hint"),
    [("age,sex\n", "holds no rows"), ("", "holds no rows"), ("x,y\n1,2\n", "no column")],
)
def test_bad_input_names_the_file(aiops, tmp_path, before, text, hint):
    """Exit status 2."""
    (tmp_path / "now.csv").write_text(text)
    told = aiops("drift", "now.csv", "--reference", before)
    assert 2 == told.status
    assert hint in told.err
    assert "now.csv" in told.err
    assert 2 == aiops("drift", "nowhere.csv", "--reference", before).status


def test_numbers_that_became_texts_are_told(aiops, tmp_path):
    """Another decimal sign: the column is the same, but nobody can compute with it."""
    before, now = tmp_path / "before.csv", tmp_path / "now.csv"
    before.write_text("\n".join(["id,price", *(f"{i},{i / 7:.3f}" for i in range(1000))]))
    texts = (f'{i},"{i / 7:.3f}"'.replace(".", ",") for i in range(1000))
    now.write_text("\n".join(["id,price", *texts]))
    told = aiops("drift", str(now), "--reference", str(before), "-o", "json")
    kinds = {one["column"]: (one["kind"], one["drifted"]) for one in told.data["columns"]}
    assert {"id": ("numeric", False), "price": ("types", True)} == kinds
