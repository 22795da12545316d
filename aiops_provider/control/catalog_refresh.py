"""
What ``aiops catalog refresh`` does: ask the clouds, check the answers, let them replace the old.

Each provider stands alone: what one of them refuses does not keep the others from being renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.catalog.checkpoint import Checkpoint, items_of
from aiops_provider.catalog.clouds import aws, azure, google_cloud, object_storage
from aiops_provider.catalog.draft import Draft
from aiops_provider.catalog.listing import Listing, Page
from aiops_provider.catalog.names import provider_name
from aiops_provider.catalog.publish import publish
from aiops_provider.errors import AiopsError, ConfigurationError, DataError

if TYPE_CHECKING:
    from aiops_provider.settings.schema import Settings

CLOUDS = (aws.PROVIDER, azure.PROVIDER, google_cloud.PROVIDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """
    How far a refresh is.

    Attributes:
        listing: The list that is fetched.
        done: Lists that are complete.
        total: Lists of all providers.
        pages: Pages of the present one so far.
    """

    listing: str
    done: int
    total: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """
    What became of one provider.

    Attributes:
        provider: Which.
        regions: That were asked for.
        machines: Machine types that were fetched.
        prices: Prices that were fetched.
        storage: Prices of storage that were fetched.
        problem: Why the old catalogue stays; ``None`` when it was replaced.
        exit_status: Of the problem; 0 without one.
    """

    provider: str
    regions: tuple[str, ...]
    machines: int = 0
    prices: int = 0
    storage: int = 0
    problem: str | None = None
    exit_status: int = 0


def refresh(
    settings: Settings,
    today: date,
    *,
    providers: Sequence[str] = (),
    regions: Sequence[str] = (),
    storage: bool = False,
    clients: aws.Clients = aws.open_client,
    watch: Callable[[Progress], None] = lambda _: None,
) -> list[Refreshed]:
    """
    Renew machine types and prices; an interrupted refresh goes on where it was.

    Args:
        settings: With the folder of the user's catalogue, addresses and key of the APIs.
        today: When the prices are observed.
        providers: Whose; default: those of the clusters, else every cloud.
        regions: Where, of a single provider; default: the regions of its clusters, else those that
            the embedded catalogue has prices of.
        storage: Whether prices of object storage are asked for too.
        clients: Makes boto3's clients.
        watch: Told before each page.

    Returns:
        One outcome per provider.

    Raises:
        ConfigurationError: A provider is no cloud that can be asked, or regions are given for more
            than one.
    """
    wanted = _providers(settings, providers)
    if regions and len(wanted) > 1:
        raise ConfigurationError(
            "regions are of one provider",
            field="--region",
            value=", ".join(regions),
            mend="Name it too: --provider aws --region eu-central-1.",
        )
    asked = {name: tuple(regions) or _regions(settings, name) for name in wanted}
    lists = {name: _listings(settings, name, asked[name], clients) for name in wanted}
    if storage:
        for name in wanted:
            lists[name] += _storage_listings(settings, name, asked[name], clients)
    total = sum(map(len, lists.values()))
    outcomes: list[Refreshed] = []
    done = 0
    for name in wanted:
        asking = _Asking(name, asked[name], lists[name], _Teller(watch, done, total))
        outcomes.append(_refresh_one(asking, settings.catalog.refreshed, today))
        done += len(lists[name])
    return outcomes


@dataclass(slots=True)
class _Teller:
    """Counts lists and tells the watcher."""

    watch: Callable[[Progress], None]
    done: int
    total: int

    def __call__(self, listing: Listing, pages: int) -> None:
        self.watch(Progress(listing=listing.name, done=self.done, total=self.total, pages=pages))


@dataclass(frozen=True, slots=True)
class _Asking:
    """What one provider is asked for."""

    provider: str
    regions: tuple[str, ...]
    listings: Sequence[Listing]
    tell: _Teller


def _refresh_one(asking: _Asking, folder: Path, today: date) -> Refreshed:
    provider, regions, tell = asking.provider, asking.regions, asking.tell
    draft, checkpoints = Draft(), []
    try:
        for listing in asking.listings:
            checkpoint = Checkpoint.of(listing, folder / "refresh")
            checkpoints.append(checkpoint)
            pages = list(_watched(checkpoint, listing, tell))
            tell.done += 1
            for row in listing.rows(items_of(pages), today):
                draft.add(row)
        publish(draft, folder, provider=provider, regions=regions)
    except DataError as error:
        _forget(checkpoints)  # the same pages would be refused again
        return _failed(provider, regions, error)
    except AiopsError as error:
        return _failed(provider, regions, error)
    _forget(checkpoints)
    return Refreshed(
        provider=provider,
        regions=regions,
        machines=len(draft.machines),
        prices=len(draft.prices),
        storage=len(draft.storage),
    )


def _failed(provider: str, regions: tuple[str, ...], error: AiopsError) -> Refreshed:
    return Refreshed(
        provider=provider, regions=regions, problem=str(error), exit_status=error.exit_status
    )


def _forget(checkpoints: Collection[Checkpoint]) -> None:
    for checkpoint in checkpoints:
        checkpoint.forget()


def _watched(checkpoint: Checkpoint, listing: Listing, tell: _Teller) -> Iterator[Page]:
    tell(listing, 0)
    for number, page in enumerate(checkpoint.pages(listing), start=1):
        tell(listing, number)
        yield page


def _providers(settings: Settings, given: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(map(provider_name, given)))
    unknown = next((name for name in names if name not in CLOUDS), None)
    if unknown is not None:
        raise ConfigurationError(
            "has no price list that can be asked",
            field="--provider",
            value=unknown,
            mend=f"Use {', '.join(CLOUDS)}; other prices go into catalog.prices or a file to import.",
        )
    if names:
        return names
    used = {provider_name(cluster.provider) for cluster in settings.clusters}
    return tuple(name for name in CLOUDS if name in used) or CLOUDS


def _regions(settings: Settings, provider: str) -> tuple[str, ...]:
    used = {c.region for c in settings.clusters if provider_name(c.provider) == provider}
    if used:
        return tuple(sorted(used))
    return tuple(region.name for region in settings.open_catalog.regions(provider) if region.place)


def _listings(
    settings: Settings, provider: str, regions: Sequence[str], clients: aws.Clients
) -> list[Listing]:
    given = settings.catalog
    if provider == aws.PROVIDER:
        return aws.listings(regions, clients)
    machines = list(settings.open_catalog.machines(provider=provider))
    if provider == azure.PROVIDER:
        known = frozenset(machine.name for machine in machines)
        return azure.listings(regions, known, given.azure_url or azure.ENDPOINT)
    key = given.google_api_key
    return google_cloud.listings(
        regions,
        machines,
        key.get_secret_value() if key else None,
        given.google_cloud_url or google_cloud.ENDPOINT,
    )


def _storage_listings(
    settings: Settings, provider: str, regions: Sequence[str], clients: aws.Clients
) -> list[Listing]:
    given = settings.catalog
    if provider == aws.PROVIDER:
        return object_storage.aws_listings(regions, clients)
    if provider == azure.PROVIDER:
        return object_storage.azure_listings(regions, given.azure_url or azure.ENDPOINT)
    key = given.google_api_key
    return object_storage.google_listings(
        regions,
        key.get_secret_value() if key else None,
        given.google_cloud_url or google_cloud.ENDPOINT,
    )
