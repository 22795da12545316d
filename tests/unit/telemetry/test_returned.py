from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest

from aiops_provider.errors import DescriptionError
from aiops_provider.telemetry.returned import parse_kpis, values_of


def values(declared, **places):
    return values_of(parse_kpis(declared), places.get)


@dataclass
class Scores:
    precision: float
    _secret: float = 1.0


def test_a_name_is_a_key_of_the_returned_dictionary():
    """Names alone need no paths."""
    returned = {"row_count": 5, "precision": 0.9, "other": 1}
    assert values(["row_count", "precision"], return_value=returned) == {
        "row_count": 5,
        "precision": 0.9,
    }


def test_a_single_name_may_be_the_returned_number_itself():
    """``return len(rows)`` is enough."""
    assert values("row_count", return_value=5) == {"row_count": 5}


def test_one_number_is_not_two_kpis(caplog):
    """Two names and one number: nobody knows which of them it is."""
    assert values(["a", "b"], return_value=5) == {}
    assert "there is no a in return_value, which is of type int" in caplog.text


def test_paths_lead_into_what_is_nested():
    """Keys, positions and attributes, in the returned value or in another XCom."""
    declared = {
        "precision": "models.1.precision",
        "read": "statistics:rows.read",
        "last": "-1:",
        "all": "count:",
    }
    returned = {"models": [Scores(0.1), Scores(0.9)]}
    found = values(
        {k: v for k, v in declared.items() if k != "last"},
        return_value=returned,
        statistics={"rows": {"read": 7}},
        count=3,
    )
    assert found == {"precision": 0.9, "read": 7, "all": 3}


def test_what_is_missing_is_told_and_left_out(caplog):
    """The others are reported all the same; each place is read once."""
    read: list[str] = []

    def place(name):
        read.append(name)
        return {"a": 1}

    sources = parse_kpis({"a": "a", "b": "b.c", "d": "a.d", "s": "_x"})
    with caplog.at_level(logging.WARNING):
        assert values_of(sources, place) == {"a": 1}
    assert read == ["return_value"]
    assert "The KPI b is not reported: there is no b.c in return_value" in caplog.text


def test_what_is_private_is_not_read():
    """A path is no way into an object's inside."""
    assert values({"x": "_secret"}, return_value=Scores(0.5)) == {}


@pytest.mark.parametrize("declared", [5, [3], [""], {"a": 5}, {"": "a"}, {3: "a"}, [None]])
def test_what_is_no_declaration_is_refused_where_it_is_written(declared):
    """With the value and how it is written."""
    with pytest.raises(DescriptionError, match="kpis: is no declaration of KPIs"):
        parse_kpis(declared)
