"""Whatever can be published is found again as it was, and only what is published."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.catalog import Catalog
from aiops_provider.catalog.draft import Draft
from aiops_provider.catalog.names import accelerator_key, provider_name
from aiops_provider.catalog.publish import publish, read_draft
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType, Price

# Names of providers, regions and machine types, with what CSV must escape.
NAMES = st.text(st.sampled_from('ab1-_. ,"é'), min_size=1, max_size=8).filter(str.strip)
# Nine digits are kept.
FIGURES = st.integers(1, 10**9).map(lambda n: n / 1000)
PRICES = st.integers(1, 10**9).map(lambda n: n / 10**6)
DAYS = st.dates(date(2020, 1, 1), date(2040, 1, 1))
UNKNOWN = st.none()

MACHINES = st.builds(
    InstanceType,
    provider=st.just("aws"),
    name=NAMES,
    cores=FIGURES,
    memory_gib=FIGURES,
    accelerator=UNKNOWN | st.sampled_from(["A100", "H100-NVL", "made-up"]),
    accelerator_count=st.integers(0, 16),
    accelerator_memory_gib=UNKNOWN | FIGURES,
    network_gbps=UNKNOWN | FIGURES,
    local_disk_gib=UNKNOWN | FIGURES,
    architecture=UNKNOWN | st.sampled_from(["x86_64", "arm64"]),
    source=NAMES,
    observed_on=DAYS,
)
LISTED = st.builds(
    Price,
    provider=st.just("aws"),
    region=NAMES,
    name=NAMES,
    purchase=st.sampled_from(Purchase),
    usd_per_hour=PRICES,
    source=NAMES,
    observed_on=DAYS,
)


@settings(max_examples=30, deadline=None)
@given(machines=st.lists(MACHINES, max_size=5), prices=st.lists(LISTED, max_size=8))
def test_published_rows_round_trip(machines: list[InstanceType], prices: list[Price]) -> None:
    """Machine types and prices come back figure by figure, unknown ones as unknown."""
    catalog = Catalog.embedded()
    known = [
        replace(each, accelerator_model=catalog.model_of(each.accelerator))
        if each.accelerator
        else each
        for each in machines
    ]
    draft = Draft.of([*known, *prices])
    if not draft.machines and not draft.prices:
        return
    with tempfile.TemporaryDirectory() as folder:
        publish(draft, Path(folder), provider="aws", regions=(), whole=False)

        assert draft == read_draft(Path(folder), catalog)


@given(st.text(max_size=30))
def test_names_are_normalised_once_and_for_all(text: str) -> None:
    """Normalising what is normalised changes nothing."""
    assert provider_name(text) == provider_name(provider_name(text))


@given(
    st.sampled_from(Catalog.embedded().accelerators()), st.sampled_from(["", "NVIDIA ", "nvidia-"])
)
def test_accelerator_is_found_however_it_is_written(facts: object, maker: str) -> None:
    """Upper case, blanks and the maker's name lead to the same facts."""
    catalog = Catalog.embedded()
    name = facts.name  # type: ignore[attr-defined]

    assert facts == catalog.accelerator(f"{maker}{name.upper().replace('-', ' ')}")
    assert accelerator_key(name) == accelerator_key(name.upper())
