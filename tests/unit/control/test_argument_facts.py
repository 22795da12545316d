"""What arguments tell of an input before its run."""

import pytest

from aiops_provider.control.argument_facts import facts_of, whole_input
from aiops_provider.control.file_sizes import FileSizes
from aiops_provider.domain.workload import Dataset, Etl, Generic

GIB = 2**30


def test_numbers_lengths_and_sizes_have_the_names_of_their_arguments():
    """Also inside a map, where sizes are known by how people call them."""
    facts = dict(
        facts_of(
            {
                "n": 5,
                "ids": [3, 4],
                "part": {"path": "s3://b/k", "size": GIB, "rows": 50, "level": 2},
                "old": {"size_mb": 1.073741824e3},
            }
        )
    )
    numbers = {name: value for name, value in facts.items() if isinstance(value, float)}
    assert numbers == {
        "n": 5.0,
        "ids.length": 2.0,
        "ids.sum": 7.0,
        "part.length": 4.0,
        "part.gib": 1.0,
        "part.rows": 50.0,
        "part.level": 2.0,
        "old.length": 1.0,
        "old.gib": pytest.approx(1.0),
    }


def test_texts_are_told_apart_but_not_kept():
    """A digest; nothing at all of what looks like a secret."""
    arguments = {"model": "resnet", "db_password": "hunter2", "conn": {"token": "abc", "db": "x"}}
    facts = facts_of(arguments)
    assert not any(text in str(facts) for text in ("resnet", "hunter2", "abc"))
    names = [name for name, _ in facts]
    assert names == ["conn.db", "conn.length", "model"]
    assert facts_of({"model": "resnet"}) != facts_of({"model": "bert"})


def test_files_are_asked_for_together(tmp_path):
    """Sizes of all paths among the arguments in one go."""
    (tmp_path / "a").write_bytes(b"x" * 1024)
    (tmp_path / "folder").mkdir()
    for name in "bc":
        (tmp_path / "folder" / name).write_bytes(b"x" * 2048)
    asked = []
    sizes = FileSizes(patience_s=30)

    def file_sizes(paths):
        asked.append(list(paths))
        return sizes(asked[-1])

    arguments = {
        "one": str(tmp_path / "a"),
        "all": [str(tmp_path / "a"), str(tmp_path / "folder")],
        "gone": str(tmp_path / "gone"),
        "item": {"where": str(tmp_path / "folder")},
    }
    facts = dict(facts_of(arguments, file_sizes=file_sizes))
    assert len(asked) == 1
    assert facts["one.gib"] == 1024 / GIB
    assert facts["all.gib"] == 5120 / GIB
    assert facts["item.where.gib"] == 4096 / GIB
    assert "gone.gib" not in facts


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        (Generic(input_gib_of="n"), {"input_gib": 3.0}),
        (Generic(input_gib_of="part"), {"input_gib": 2.0}),
        (Etl(input_rows_of="part.list"), {"input_rows": 3.0}),
        (Etl(input_rows_of="part.n_rows"), {"input_rows": 70.0}),
        (Etl(input_rows_of="part"), {"input_rows": 70.0}),
        (Etl(source=Dataset(volume_gib=4, rows=9)), {"input_gib": 4.0, "input_rows": 9.0}),
        (Etl(source=Dataset(volume_gib=4), input_gib_of="n"), {"input_gib": 3.0}),
        (Generic(input_gib_of="misspelt", input_rows_of="n.deeper"), {}),
        (Generic(), {}),
        (None, {}),
    ],
)
def test_a_description_says_which_argument_tells_the_size(description, expected):
    """By its name or a path into it; a size that is given counts where no argument is named."""
    arguments = {"n": 3, "part": {"bytes": 2 * GIB, "list": [1, 2, 3], "n_rows": 70}}
    facts = dict(facts_of(arguments, description))
    assert {name: facts[name] for name in ("input_gib", "input_rows") if name in facts} == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, object(), b"bytes", [[]]])
def test_what_cannot_be_measured_is_left_out(value):
    """Never an error: facts are a help."""
    facts = facts_of({"odd": value, "n": 1})
    assert dict(facts)["n"] == 1.0
    assert "odd" not in dict(facts)


def test_the_whole_input_is_what_was_said_else_its_parts():
    """For the first run of a task, of which nothing has been learned."""
    parts = (("a.gib", 1.0), ("b.gib", 2.0), ("b.rows", 5.0), ("kind", "digest"))
    assert whole_input(parts) == (3.0, 5)
    assert whole_input((*parts, ("input_gib", 7.0))) == (7.0, 5)
    assert whole_input((("n", 7.0),)) == (None, None)
