"""Which elements of a cube explain its deviation."""

from itertools import product

import numpy as np
import pytest

from aiops_provider.detection.localisation.cube import Cube, expected_share, make_cube
from aiops_provider.detection.localisation.search import localise

SIZES = {"os": 3, "version": 6, "country": 10}
LEAVES = list(product(*[range(size) for size in SIZES.values()]))


def cube(*causes: dict[str, int], noise: float = 0.03, factor: float = 0.4) -> Cube:
    """Leaves of very different volume; in those of the causes the measure falls to a share."""
    rng = np.random.default_rng(11)
    columns = {name: [f"{name}-{leaf[i]}" for leaf in LEAVES] for i, name in enumerate(SIZES)}
    expected = rng.lognormal(4.0, 1.0, size=len(LEAVES))
    actual = expected * (1.0 + noise * rng.normal(size=len(LEAVES)))
    names = list(SIZES)
    for cause in causes:
        for place, leaf in enumerate(LEAVES):
            if all(leaf[names.index(name)] == value for name, value in cause.items()):
                actual[place] *= factor
    return make_cube(columns, actual, expected)


def told(found: Cube) -> list[dict[str, str]]:
    return [dict(one.conditions) for one in localise(found)]


@pytest.mark.parametrize(
    "cause",
    [{"os": 1}, {"os": 1, "version": 4}, {"os": 0, "version": 2, "country": 7}],
    ids=["one condition", "two", "three"],
)
@pytest.mark.parametrize("factor", [0.4, 1.8], ids=["fall", "rise"])
def test_the_exact_conjunction_is_found(cause, factor):
    """Neither a wider element nor a narrower one, whichever way it is off."""
    named = {name: f"{name}-{value}" for name, value in cause.items()}
    assert [named] == told(cube(cause, factor=factor))


def test_two_causes_are_told_apart():
    """Each by itself, and nothing beside them."""
    found = told(cube({"version": 1}, {"version": 3}))
    assert {"version-1", "version-3"} == {one["version"] for one in found}
    assert 2 == len(found)


def test_what_one_cause_spoils_does_not_hide_another():
    """A region up, and a quarter of the cube with it; a version of an app down in all the others."""
    noise = np.random.default_rng(2)
    cells = list(product("abcd", ["ios", "android", "web"], "123"))
    expected = noise.integers(50, 500, len(cells)).astype(float)
    actual = expected * noise.normal(1.0, 0.03, len(cells))
    for place, (region, device, version) in enumerate(cells):
        actual[place] *= 1.6 if region == "d" else 1.0
        actual[place] *= 0.4 if (device, version) == ("ios", "3") else 1.0
    columns = dict(zip(("region", "device", "version"), zip(*cells, strict=True), strict=True))
    found = make_cube({name: list(cell) for name, cell in columns.items()}, actual, expected)
    assert [{"region": "d"}, {"device": "ios", "version": "3"}] == told(found)


def test_noise_alone_has_no_cause():
    """A cube that is as expected explains nothing."""
    assert [] == told(cube())


def test_a_cube_of_one_leaf_or_of_zeros_does_not_fail():
    """Degenerate input gives an answer, not an error."""
    one = make_cube({"os": ["a"]}, np.array([5.0]), np.array([5.0]))
    none = make_cube({"os": ["a", "b"]}, np.zeros(2), np.zeros(2))
    assert [] == localise(one) == localise(none)


def test_the_order_of_rows_does_not_matter():
    """The same leaves shuffled have the same cause."""
    made = cube({"os": 1, "version": 4})
    order = np.random.default_rng(0).permutation(len(made.actual))
    shuffled = Cube(
        dimensions=made.dimensions,
        values=made.values,
        codes=made.codes[order],
        actual=made.actual[order],
        expected=made.expected[order],
    )
    assert told(made) == told(shuffled)


def test_a_ratio_expects_its_numerator_by_the_denominator_of_now():
    """Twice the requests at the usual error ratio is no deviation."""
    share = expected_share(np.array([2e6]), np.array([1e5]), np.array([1e6]))
    assert pytest.approx([2e5]) == share


def test_a_million_values_of_one_dimension_do_not_take_memory_by_their_square():
    """Places are taken for elements that have leaves, not for all that could."""
    count = 20_000
    names = [str(i) for i in range(count)]
    expected = np.full(count, 100.0)
    actual = expected.copy()
    actual[17] = 0.0
    columns = {"user": names, "device": names[::-1], "os": [n[-1] for n in names]}
    found = localise(make_cube(columns, actual, expected))
    assert 1 == len(found)
    assert found[0].leaves == 1


def test_a_small_clean_snapshot_is_explained():
    """As somebody writes one by hand: a third of its leaves is off, the others are exactly right."""
    columns = {"app": ["x", "x", "y", "y", "z", "z"], "os": ["1", "2"] * 3}
    expected = np.full(6, 1000.0)
    actual = np.array([1000.0, 1000.0, 300.0, 300.0, 1000.0, 1000.0])
    found = localise(make_cube(columns, actual, expected))
    assert [{"app": "y"}] == [dict(one.conditions) for one in found]
