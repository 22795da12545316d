"""What a description decides by itself."""

from __future__ import annotations

import pytest

from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.domain.workload import (
    Dataset,
    Etl,
    FeatureEngineering,
    Generic,
    Locality,
    Serving,
    Training,
    input_size,
)
from aiops_provider.profiling.described import pinned, terms_of, with_input_size


def test_without_a_description_the_defaults_hold():
    """Nothing is restricted, nothing promised beyond the usual."""
    terms = terms_of(None)
    assert (terms.sla_attainment, terms.allowed_regions, terms.idempotent) == (0.99, (), False)


def test_tasks_are_preferred_near_their_data():
    """Only a serving task has users to be near to."""
    near = Locality(data_region="eu-central-1")
    assert terms_of(Etl(locality=near)).preferred_regions == ("eu-central-1",)
    served = Serving(locality=near, user_regions=("sa-east-1",))
    assert terms_of(served).preferred_regions == ("sa-east-1",)


def test_a_pin_has_no_doubt():
    """All three quantiles are the pin; the runs behind the figure are still counted."""
    seen = Quantity(p50=1, p80=2, p95=3, source=Source.OWN_HISTORY, sample_count=7)
    pin = pinned(seen, 5.0, unit="GiB")
    assert (pin.p50, pin.p95, pin.source, pin.sample_count) == (5.0, 5.0, Source.PINNED, 7)
    assert pinned(seen, None, unit="GiB") is seen


@pytest.mark.parametrize(
    "description",
    [
        Etl(source=Dataset(volume_gib=1.0, format="csv")),
        FeatureEngineering(source=Dataset(rows=10)),
        Training(dataset=Dataset(volume_gib=1.0, rows=10)),
        Generic(input_gib=1.0),
    ],
)
def test_a_description_can_be_asked_for_another_size(description):
    """All else stays; a volume that was not measured goes when rows were."""
    assert input_size(with_input_size(description, 3.0, 500)) == (3.0, 500)
    gib, rows = input_size(with_input_size(description, None, 500))
    assert (gib, rows) == (None, 500)
    assert with_input_size(description, None, None) is description


def test_serving_has_no_input():
    """A size means nothing to a task that answers requests."""
    serving = Serving(requests_per_s=1)
    assert with_input_size(serving, 3.0, 5) is serving
    assert with_input_size(None, 3.0, 5) is None
