"""What is wrong with a description that only the catalogue can tell."""

from __future__ import annotations

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.control.accelerator_advice import known_accelerator
from aiops_provider.control.cluster_facts import least_round_trip_ms
from aiops_provider.domain.workload import Serving, TaskDescription
from aiops_provider.errors import DescriptionError


def check_description(description: TaskDescription, catalog: Catalog) -> None:
    """
    Refuse what cannot be.

    Args:
        description: As read.
        catalog: Knows accelerators, and round trips between regions.

    Raises:
        DescriptionError: An accelerator that the catalogue does not know; a latency objective below
            the network's round trip between all users and all allowed regions.
    """
    if description.accelerator is not None:
        known_accelerator(description.accelerator, catalog)
    if isinstance(description, Serving) and description.latency_objective_ms is not None:
        _check_latency(description, description.latency_objective_ms, catalog)


def _check_latency(serving: Serving, objective_ms: float, catalog: Catalog) -> None:
    allowed = serving.locality.allowed_regions
    for users in serving.user_regions:
        found = [least_round_trip_ms(users, region, catalog) for region in allowed]
        known = [each for each in found if each is not None]
        # A region without a measured round trip may be near enough.
        if not known or len(known) < len(found) or objective_ms >= min(known):
            continue
        nearest = allowed[found.index(min(known))]
        raise DescriptionError(
            f"is below the network's round trip of {min(known):g} ms between users in {users} and "
            f"{nearest}, the nearest allowed region",
            field="latency_objective_ms",
            value=objective_ms,
            mend="Allow a region nearer to the users, or give the answer more time.",
        )
