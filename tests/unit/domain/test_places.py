"""Regions by the names of places."""

from __future__ import annotations

from itertools import chain

import pytest

from aiops_provider.domain import residency
from aiops_provider.domain.places import known_regions, places_in, regions_at


@pytest.mark.parametrize(
    ("place", "region"),
    [
        ("Frankfurt", "eu-central-1"),
        ("São Paulo", "sa-east-1"),
        ("sao paulo", "brazilsouth"),
        ("South Africa", "africa-south1"),
        ("GERMANY", "germanywestcentral"),
    ],
)
def test_a_place_is_known_however_it_is_spelt(place, region):
    """Accents and capitals are no part of a name."""
    assert region in regions_at(place)


def test_nothing_is_made_up():
    """A place without a region, and a word that only holds a name."""
    assert () == regions_at("Atlantis")
    assert () == places_in("parisian fashion, Londonderry")
    assert ["us-east-1"] == known_regions(["us-east-1", "us-east-99", "frankfurt"])


def test_places_are_found_in_their_order():
    """South Africa is not Africa, and twice is once."""
    assert ("tokyo", "south africa", "paris") == places_in("Tokyo, south africa; Paris and Tokyo")


def test_every_region_with_a_law_has_a_place():
    """Two lists of the same clouds agree."""
    lawful = list(
        chain.from_iterable(residency.regions_within((a,)) for a in ("EU", "UK", "US", "CH"))
    )
    assert lawful == known_regions(lawful)
