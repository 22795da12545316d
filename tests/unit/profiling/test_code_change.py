"""How much runs of earlier code count."""

from __future__ import annotations

import random

import pytest

from aiops_provider.profiling.code_change import code_change, code_versions, odds_of_no_change
from aiops_provider.profiling.quantiles import Observation, effective_count

OLD = ("old", None)


def drawn(level: float, count: int, *, seed: int, spread: float = 0.1) -> list[float]:
    chance = random.Random(seed)  # noqa: S311 -- figures, no secrets
    return [level * chance.lognormvariate(0, spread) for _ in range(count)]


def weighed(old: list[float], new: list[float]):
    observations = [Observation(value, 1.0) for value in (*old, *new)]
    return code_change(observations, [OLD] * len(old) + [None] * len(new))


class TestVersions:
    def test_what_is_not_known_is_as_today(self, run) -> None:
        """An upgrade that begins to record the code is no change of code."""
        runs = [run(3), run(2, code_hash="a"), run(1)]
        assert code_versions(runs) == (None, None, None)

    def test_code_and_image_count_apart(self, run) -> None:
        """Another image under the same code is another version."""
        runs = [run(3, code_hash="a", image="1"), run(2, code_hash="a", image="2"), run(1)]
        assert code_versions(runs) == (("a", "1"), None, None)

    def test_a_version_that_comes_back_is_that_of_today(self, run) -> None:
        """After a roll-back the runs of the code before are own runs again."""
        back = [run(hours, code_hash="a") for hours in (4, 3, 2, 1)]
        runs = [run(20, code_hash="a"), run(10, code_hash="b"), *back]
        assert code_versions(runs) == (None, ("b", None), None, None, None, None)

    def test_late_runs_of_old_code_do_not_turn_it_back(self, run) -> None:
        """A mapped task of a run that began before the change may start after others."""
        runs = [run(9, code_hash="a"), run(2, code_hash="b"), run(1, code_hash="a")]
        assert code_versions(runs) == (("a", None), None, ("a", None))


class TestOdds:
    @pytest.mark.parametrize("spread", [0.02, 0.15, 0.5])
    def test_without_a_change_they_are_mostly_good(self, spread: float) -> None:
        """Over many histories the odds are mostly above even after five runs."""
        odds = [
            odds_of_no_change(
                drawn(1, 30, seed=seed, spread=spread), drawn(1, 5, seed=1000 + seed, spread=spread)
            )
            for seed in range(200)
        ]
        assert sum(each > 1 for each in odds) > 160

    @pytest.mark.parametrize("factor", [0.4, 2.5])
    def test_after_a_change_they_are_bad(self, factor: float) -> None:
        """Two runs at another level are enough."""
        odds = [
            odds_of_no_change(drawn(1, 30, seed=seed), drawn(factor, 2, seed=1000 + seed))
            for seed in range(200)
        ]
        assert max(odds) < 0.2

    def test_one_wild_run_is_no_proof(self) -> None:
        """However far it lies, the odds never vanish."""
        assert odds_of_no_change([1.0] * 30, [1e6]) >= 0.05

    def test_without_a_later_run_they_are_even(self) -> None:
        """Nothing speaks for or against."""
        assert odds_of_no_change([1.0, 2.0], []) == 1.0


class TestWeights:
    def test_one_version_needs_no_weighing(self) -> None:
        """The usual case."""
        assert code_change([Observation(1.0, 1.0)], [None]) is None

    def test_earlier_runs_regain_their_weight(self) -> None:
        """The first run that agrees does not give it back in full, some more do."""
        old = drawn(1, 30, seed=1)
        worth = [weighed(old, drawn(1, count, seed=2)).runs for count in (1, 2, 4, 8)]
        assert worth[-1] == pytest.approx(38)
        assert weighed(old, drawn(1, 8, seed=2)).doubted == {}

    def test_runs_that_disagree_make_the_earlier_ones_forgotten(self) -> None:
        """What is left of them is less than a tenth of a run."""
        change = weighed(drawn(1, 30, seed=1), drawn(3, 4, seed=2))
        assert change.worth < 0.1
        assert change.risen
        assert change.runs == pytest.approx(4, abs=0.1)
        assert sum(change.weights[:30]) < 0.1
        assert effective_count(change.weights[30:]) == 4

    def test_a_lower_level_asks_for_more_proof_than_a_higher_one(self) -> None:
        """One run a little off on either side: above it the earlier ones are doubted, below it not yet."""
        old = drawn(1, 30, seed=1)
        above, below = weighed(old, [1.25]), weighed(old, [0.8])
        assert list(above.doubted) == [OLD]
        assert not above.unproven
        assert below.doubted == {}
        assert below.unproven
        assert below.weights == (1.0,) * 31
        assert below.runs == pytest.approx(31)

    def test_a_need_that_has_clearly_fallen_is_believed(self) -> None:
        """Two runs at half the level are proof enough."""
        change = weighed(drawn(1, 30, seed=1), drawn(0.5, 2, seed=2))
        assert list(change.doubted) == [OLD]
        assert change.doubted[OLD] == pytest.approx(0.5, rel=0.2)
        assert not change.risen
        assert not change.unproven

    def test_a_kill_does_not_tell_the_level_that_it_was_killed_at(self) -> None:
        """Runs killed at the old size would else look like the old level."""
        old = [Observation(value, 1.0) for value in drawn(1, 20, seed=1)]
        kill = Observation(1.2, 1.0, censored=True, beyond=1.6)
        new = [kill, Observation(3.0, 1.0), kill, Observation(3.1, 1.0), kill]
        change = code_change([*old, *new], [OLD] * 20 + [None] * 5)
        assert list(change.doubted) == [OLD]
        assert change.worth < 0.1

    def test_versions_are_weighed_one_by_one(self) -> None:
        """Of two earlier versions the one that agrees counts in full."""
        like, unlike = ("like", None), ("unlike", None)
        values = [*drawn(5, 10, seed=1), *drawn(1, 10, seed=2), *drawn(1, 8, seed=3)]
        change = code_change(
            [Observation(value, 1.0) for value in values],
            [unlike] * 10 + [like] * 10 + [None] * 8,
        )
        assert list(change.doubted) == [unlike]
        assert change.weights[10:] == (1.0,) * 18
