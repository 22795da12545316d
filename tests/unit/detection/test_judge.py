"""From verdict to alarm: what is significant, large and wanted."""

from __future__ import annotations

import pytest

from aiops_provider.detection.judge import Judge
from aiops_provider.detection.rules_file import default_rules, load_rules
from aiops_provider.detection.verdict import ALARM_P, Verdict


def judged(sample, history, text="", *, threshold_p=1.0):
    rules = default_rules().overridden_by(load_rules(text and f"rules:\n{text}", "r.yaml"))
    judge = Judge(rules, minimum_history=8)
    return judge.observation(sample, judge.verdict(sample, history), threshold_p=threshold_p)


STEADY = [1000.0, 1010.0, 990.0, 1005.0, 995.0] * 6


@pytest.mark.parametrize(("value", "alarmed"), [(220.0, True), (1800.0, True), (1003.0, False)])
def test_row_counts_alarm_both_ways(sample, past, value, alarmed):
    """Too few and too many rows alarm, as usual ones do not."""
    assert alarmed is judged(sample(value, "row_count"), past(STEADY)).alarmed


def test_two_instead_of_four_rows_is_no_alarm(sample, past):
    """Ratios of small numbers jump: a minimum volume stands before them."""
    small = past([2.0] * 30)

    assert not judged(sample(9.0, "row_count"), small).alarmed
    assert judged(sample(900.0, "row_count"), small).alarmed


def test_a_significant_but_small_change_is_no_alarm(sample, past):
    """Ten per cent of the rows missing is significant here, and no news."""
    observation = judged(sample(900.0, "row_count"), past(STEADY))

    assert observation.verdict.p_value < ALARM_P
    assert not observation.alarmed


def test_the_false_discovery_rate_can_hold_an_alarm_back(sample, past):
    """Where many series are watched a single p-value must be smaller."""
    assert not judged(sample(220.0, "row_count"), past(STEADY), threshold_p=1e-30).alarmed


@pytest.mark.parametrize(("value", "alarmed"), [(0.61, True), (0.99, False)])
def test_a_better_precision_is_no_alarm(sample, past, value, alarmed):
    """Of some KPIs only one direction matters."""
    history = past([0.90, 0.905, 0.895] * 10)

    assert alarmed is judged(sample(value, "precision", run_id="r"), history).alarmed


def test_a_threshold_alarms_without_history(sample, past):
    """An expert's limit needs no past, and no statistics."""
    limit = "  - {name: a, when: 'kpi == \"lag\"', above: 60}"
    observation = judged(sample(61.0, "lag"), past([]), limit, threshold_p=-1.0)

    assert observation.alarmed
    assert "above the threshold 60" in observation.verdict.reason
    assert not judged(sample(59.0, "lag"), past([]), limit).alarmed


def test_an_ignored_sample_neither_raises_nor_holds(sample, past):
    """Maintenance is normal."""
    observation = judged(
        sample(220.0, "row_count", cluster="onprem"),
        past(STEADY),
        "  - {name: a, when: 'cluster == \"onprem\"', ignore: true}",
    )

    assert (False, False) == (observation.alarmed, observation.deviating)


def test_a_detector_of_ones_own_is_asked(sample, past):
    """Detectors come in by name."""

    class Never:
        name = "seasonal"

        def score(self, sample, history):
            return Verdict(p_value=1.0, expected=0.0, reason="", detector=self.name)

    judge = Judge(default_rules(), minimum_history=8, detectors=[Never()])

    assert 1.0 == judge.verdict(sample(1e9), past(STEADY)).p_value


def test_nobody_judges_where_the_rules_say_so(sample, past):
    """Detector ``none`` leaves thresholds only."""
    text = "  - {name: a, detector: none}"

    assert judged(sample(1e9), past(STEADY), text).verdict is None


def test_within_a_threshold_that_alone_judges_all_is_normal(sample, past):
    """Else an alarm that it raised would not end."""
    limit = "  - {name: a, when: 'kpi == \"lag\"', detector: none, above: 60}"
    crossed = judged(sample(61.0, "lag"), past([]), limit)
    within = judged(sample(59.0, "lag"), past([]), limit)

    assert (crossed.alarmed, within.alarmed, within.deviating) == (True, False, False)
    assert within.verdict is not None
