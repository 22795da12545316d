"""What a user says goes over what we say."""

from aiops_provider.clusters.overlay import overlaid


def test_lists_of_unequal_length_or_of_plain_values_are_replaced() -> None:
    under = {"one": [{"a": 1}], "plain": ["x", "y"]}
    assert overlaid(under, {"one": [{"a": 2}, {"b": 3}]})["one"] == [{"a": 2}, {"b": 3}]
    assert overlaid(under, {"plain": ["z", "y"]})["plain"] == ["z", "y"]


def test_neither_side_is_changed() -> None:
    under, over = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert overlaid(under, over) == {"a": {"b": 1, "c": 2}}
    assert (under, over) == ({"a": {"b": 1}}, {"a": {"c": 2}})
