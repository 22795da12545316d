"""One figure from several opinions."""

from __future__ import annotations

import math

import pytest

from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.profiling.blend import Opinion, blend, claimed_error

PRIOR = Quantity(p50=1.0, p80=2.0, p95=4.0, source=Source.PRIOR, reason="a guess")


def own(p50: float, *, runs: int = 3) -> Quantity:
    return Quantity(
        p50=p50,
        p80=p50 * 1.1,
        p95=p50 * 1.2,
        source=Source.OWN_HISTORY,
        sample_count=runs,
        reason=f"{runs} own runs",
    )


def test_a_single_opinion_stands():
    """There is nothing to weigh."""
    assert blend([Opinion("prior", PRIOR, 0.8)], never_below_own=True) is PRIOR


def test_equal_opinions_meet_in_the_middle():
    """Equally wrong predictors give the geometric mean."""
    blended = blend(
        [Opinion("prior", PRIOR, 0.5), Opinion("own_history", own(4.0), 0.5)], never_below_own=False
    )
    assert blended.p50 == pytest.approx(2.0)


def test_whoever_errs_less_counts_more():
    """A third of the error is nine times the weight."""
    blended = blend(
        [Opinion("prior", PRIOR, 0.9), Opinion("own_history", own(4.0), 0.3)], never_below_own=False
    )
    assert blended.p50 == pytest.approx(4.0**0.9)
    assert blended.source is Source.OWN_HISTORY
    assert blended.reason == "3 own runs; 10 % weight on prior (a guess)"


def test_measured_errors_overrule_claims():
    """A predictor that claims much and has been wrong eight times loses its weight."""
    boastful = Opinion("prior", PRIOR, 0.05, (math.log(4.0),) * 8)
    assert boastful.log_error > 1.3
    blended = blend([boastful, Opinion("own_history", own(4.0), 0.1)], never_below_own=False)
    assert blended.p50 == pytest.approx(4.0, rel=0.02)


def test_memory_is_never_below_what_was_seen():
    """A low prior must not talk down the memory that runs have used."""
    opinions = [Opinion("prior", PRIOR, 0.1), Opinion("own_history", own(8.0), 0.5)]
    assert blend(opinions, never_below_own=True).p50 == 8.0
    assert blend(opinions, never_below_own=False).p50 < 8.0


def test_a_high_prior_fades_with_the_runs():
    """The step from cold to warm is smooth and goes one way."""
    levels = [PRIOR.p95]
    for runs in (1, 2, 4, 8, 16, 32):
        answer = own(0.2, runs=runs)
        opinions = [
            Opinion("prior", PRIOR, 0.8),
            Opinion("own_history", answer, claimed_error(answer, runs)),
        ]
        levels.append(blend(opinions, never_below_own=True).p95)
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == pytest.approx(0.24, rel=0.05)


def test_runs_are_counted_even_where_the_prior_leads():
    """Whether a task was ever seen does not depend on who is believed more."""
    opinions = [Opinion("prior", PRIOR, 0.1), Opinion("own_history", own(0.5), 0.9)]
    blended = blend(opinions, never_below_own=True)
    assert (blended.source, blended.sample_count) == (Source.PRIOR, 3)
