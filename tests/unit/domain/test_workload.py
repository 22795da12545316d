"""Descriptions that contradict themselves, and their schema."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from aiops_provider.domain.workload import (
    Etl,
    Generic,
    Locality,
    ModelCandidate,
    Serving,
    description_schema,
)


def test_a_region_outside_the_residency_is_refused():
    """The message names region, where it lies and what is allowed."""
    with pytest.raises(ValidationError, match="regions has us-east-1, which lies in US"):
        Locality(regions=("us-east-1",), residency=("EU",))


def test_a_data_centre_of_unknown_place_is_taken_at_the_users_word():
    """Nothing tells where `basement` lies, so naming it is allowed."""
    assert Locality(regions=("basement",), residency=("EU",)).allowed_regions == ("basement",)


def test_a_rate_needs_a_stream():
    """A batch task has a volume, not a rate."""
    with pytest.raises(ValidationError, match="set streaming to true"):
        Etl(records_per_s=5)


def test_adapters_need_a_network():
    """Trees have no adapters."""
    with pytest.raises(ValidationError, match="lora_rank is 8"):
        ModelCandidate(family="tree_ensemble", lora_rank=8)


@pytest.mark.parametrize("figure", [float("inf"), float("nan"), 1e300])
@pytest.mark.parametrize(
    "said",
    [
        lambda figure: Generic(input_gib=figure),
        lambda figure: Serving(requests_per_s=figure),
        lambda figure: Etl(source={"volume_gib": figure}),
        lambda figure: ModelCandidate(parameters=figure),
        lambda figure: Etl(sla={"deadline_s": figure}),
    ],
)
def test_impossible_figures_are_refused(said, figure):
    """They would end as infinities far from where they were written."""
    with pytest.raises(ValidationError, match=r"finite|greater than|more than any task has"):
        said(figure)


def test_missing_hours_of_demand_are_nan():
    """The only figures that may be missing one by one."""
    assert (1.0, 2.0) == Serving(past_demand_per_s=(1.0, float("nan"), 2.0)).seen_demand_per_s
    with pytest.raises(ValidationError, match="infinite rate"):
        Serving(past_demand_per_s=(1.0, float("inf")))


def test_the_schema_asks_for_task_and_kind():
    """Editors complete a task file from the schema; each kind needs its name and its kind."""
    schema = description_schema()
    assert schema["$defs"]["Etl"]["required"] == ["task", "kind"]
    assert "records_per_s" in schema["$defs"]["Etl"]["properties"]


def test_only_a_task_that_may_run_twice_is_run_twice():
    """The message names both fields and what to do."""
    with pytest.raises(ValidationError, match="set idempotent to true if that does no harm"):
        Generic(on_cluster_loss="fence_and_rerun")
    assert Generic(on_cluster_loss="fence_and_rerun", idempotent=True).idempotent
    assert "wait" == Generic(idempotent=True).on_cluster_loss
