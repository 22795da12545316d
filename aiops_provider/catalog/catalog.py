"""Look-ups in the catalogue: the embedded one, what was refreshed, and what the user overrides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Self

from aiops_provider.catalog.carbon import Emissions
from aiops_provider.catalog.names import accelerator_key, accelerator_keys, provider_name
from aiops_provider.catalog.network import PairFigure, RegionMatrix
from aiops_provider.catalog.storage import StoragePrices
from aiops_provider.catalog.tables import (
    Source,
    read_accelerators,
    read_core_power,
    read_machines,
    read_prices,
    read_regions,
    read_sources,
)
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import (
    Accelerator,
    InstanceType,
    Price,
    PriceKey,
    Region,
    StoragePrice,
)
from aiops_provider.errors import DataError

EMBEDDED = Path(__file__).parent / "data"
_NEAREST = 3


class Catalog:
    """
    Machine types, prices and regions of the providers.

    Later folders win over earlier ones, row by row. Prices and pairs of regions are read at their
    first look-up, for most users of the catalogue only want shapes.

    Args:
        folders: With the tables of ``catalog/data``; all but the first may lack some.
        prices: Prices that win over those of the folders, such as negotiated ones.
        storage: Prices of storage that win likewise; all are found as ``catalog.storage``.

    >>> catalog = Catalog.embedded()
    >>> catalog.machine("aws", "g5.xlarge").capacity.accelerators
    {'A10G': 1}
    >>> catalog.price("aws", "us-east-1", "g5.xlarge", Purchase.ON_DEMAND).usd_per_hour
    1.006
    """

    EVERY_REGION = ""
    """Region of a price of the user that holds wherever the provider has that machine type."""

    def __init__(
        self,
        folders: Iterable[Path],
        prices: Iterable[Price] = (),
        storage: Iterable[StoragePrice] = (),
    ) -> None:
        self._folders = tuple(folders)
        self.storage = StoragePrices(self._folders, storage)
        self._own_prices = {price.key: price for price in prices}

    @classmethod
    def embedded(cls) -> Self:
        """The catalogue that the package brings."""
        return cls([EMBEDDED])

    @classmethod
    def load(
        cls,
        refreshed: Path | None = None,
        prices: Iterable[Price] = (),
        storage: Iterable[StoragePrice] = (),
    ) -> Self:
        """
        The embedded catalogue under what the user refreshed and negotiated.

        Args:
            refreshed: Folder that ``aiops catalog refresh`` and ``import`` write; it may be absent.
            prices: Prices that win over all others.
            storage: Prices of storage that win over all others.
        """
        folders = [EMBEDDED]
        if refreshed is not None and refreshed.is_dir():
            folders.append(refreshed)
        return cls(folders, prices, storage)

    def machine(self, provider: str, name: str) -> InstanceType:
        """
        A machine type.

        Raises:
            DataError: It is unknown; the nearest names are named.
        """
        provider = provider_name(provider)
        found = self._machines.get((provider, name))
        if found is None:
            raise DataError(
                f"is no machine type of {provider} that the catalogue knows",
                field="instance_type",
                value=name,
                mend=self.suggestion(provider, name),
            )
        return found

    def nearest(self, provider: str, name: str) -> list[str]:
        """Names of machine types of the provider that are spelt most like this one."""
        provider = provider_name(provider)
        names = [other for maker, other in self._machines if maker == provider]
        by_lower = {other.lower(): other for other in names}
        close = get_close_matches(name.lower(), by_lower, n=_NEAREST, cutoff=0.5)
        return [by_lower[other] for other in close]

    def suggestion(self, provider: str, name: str) -> str:
        """What somebody can do who named an unknown machine type."""
        near = self.nearest(provider, name)
        known = f"Did you mean {', '.join(near)}? " if near else ""
        return f"{known}`aiops catalog list` shows all, `aiops catalog refresh` adds new ones."

    def find(self, provider: str, name: str) -> InstanceType | None:
        """A machine type; ``None`` is unknown."""
        return self._machines.get((provider_name(provider), name))

    def machines(
        self,
        *,
        provider: str | None = None,
        region: str | None = None,
        min_cores: float = 0.0,
        min_memory_gib: float = 0.0,
        accelerator: str | None = None,
        min_accelerators: int = 0,
        min_accelerator_memory_gib: float = 0.0,
    ) -> Iterator[InstanceType]:
        """
        Machine types that offer at least this much.

        Args:
            provider: Only of this one.
            region: Only those with a price there.
            min_cores: Virtual CPUs.
            min_memory_gib: Memory.
            accelerator: Only with this model or variant, by any of its names.
            min_accelerators: How many.
            min_accelerator_memory_gib: Of one accelerator; by the datasheet where the row of the
                machine does not say.
        """
        maker = provider_name(provider) if provider else None
        wanted = self._names_of(accelerator) if accelerator else frozenset()
        for machine in self._machines.values():
            if (
                (maker is None or machine.provider == maker)
                and machine.cores >= min_cores
                and machine.memory_gib >= min_memory_gib
                and (not wanted or not wanted.isdisjoint(accelerator_keys(machine)))
                and machine.accelerator_count >= min_accelerators
                and self.accelerator_memory_gib(machine) >= min_accelerator_memory_gib
                and (region is None or self._is_priced(machine, region))
            ):
                yield machine

    def price(
        self, provider: str, region: str, name: str, purchase: Purchase = Purchase.ON_DEMAND
    ) -> Price | None:
        """What a machine costs there, the user's own price first; ``None`` is unknown."""
        maker = provider_name(provider)
        for where in (region, self.EVERY_REGION):
            own = self._own_prices.get((maker, where, name, purchase))
            if own is not None:
                return own
        return self._listed_prices.get((maker, region, name, purchase))

    def prices(self) -> Iterator[Price]:
        """All prices, those of the user instead of listed ones."""
        yield from self._own_prices.values()
        for key, price in self._listed_prices.items():
            provider, _, name, purchase = key
            everywhere = (provider, self.EVERY_REGION, name, purchase)
            if self._own_prices.keys().isdisjoint({key, everywhere}):
                yield price

    def accelerator(self, name: str) -> Accelerator | None:
        """An accelerator by any of its names; ``None`` is unknown."""
        return self._accelerators.get(accelerator_key(name))

    def accelerator_suggestion(self, name: str) -> str:
        """What somebody can do who named an unknown accelerator."""
        models = sorted({each.model for each in self._accelerators.values()})
        by_key = {accelerator_key(model): model for model in models}
        close = get_close_matches(accelerator_key(name), by_key, n=_NEAREST, cutoff=0.4)
        near = f"Did you mean {', '.join(by_key[key] for key in close)}? " if close else ""
        return (
            f"{near}Known are {', '.join(models)}; a row of accelerators.csv in the folder of the "
            "catalogue adds another."
        )

    def model_of(self, accelerator: str) -> str:
        """What tasks ask for to get that accelerator; its own name if it is unknown."""
        known = self.accelerator(accelerator)
        return known.model if known else accelerator

    def accelerators(self) -> list[Accelerator]:
        """All accelerators, each once."""
        return list({found.name: found for found in self._accelerators.values()}.values())

    def region(self, provider: str, name: str) -> Region | None:
        """A region; ``None`` is unknown."""
        return self._regions.get((provider_name(provider), name))

    def regions(self, provider: str | None = None) -> Iterator[Region]:
        """All regions, or those of one provider."""
        maker = provider_name(provider) if provider else None
        for region in self._regions.values():
            if maker is None or region.provider == maker:
                yield region

    def carbon_g_per_kwh(self, provider: str, region: str) -> float | None:
        """Grams of CO₂ equivalent per kWh of the region's power; ``None`` is unknown."""
        found = self.region(provider, region)
        return found.carbon_g_per_kwh if found else None

    def egress(
        self, from_provider: str, from_region: str, to_provider: str, to_region: str
    ) -> PairFigure | None:
        """Price in USD of moving one GiB from a region to another; ``None`` is unknown."""
        start = provider_name(from_provider), from_region
        return self._egress.figure(start, (provider_name(to_provider), to_region))

    def egress_usd_per_gib(
        self, from_provider: str, from_region: str, to_provider: str, to_region: str
    ) -> float | None:
        """
        Price of moving one GiB from a region to another; ``None`` is unknown.

        Price lists write GB and bill 2³⁰ bytes; it is the price of the first terabytes of a month.
        """
        found = self.egress(from_provider, from_region, to_provider, to_region)
        return found.value if found else None

    def egress_regions(self) -> list[tuple[str, str]]:
        """Providers and regions from which some price of moving data is known."""
        return self._egress.places()

    def round_trip_ms(
        self, from_provider: str, from_region: str, to_provider: str, to_region: str
    ) -> float | None:
        """Measured round trip between machines of two regions; ``None`` is unknown."""
        start = provider_name(from_provider), from_region
        found = self._round_trips.figure(start, (provider_name(to_provider), to_region))
        return found.value if found else None

    def round_trip_regions(self) -> list[tuple[str, str]]:
        """Providers and regions from which some round trip is known."""
        return self._round_trips.places()

    def source(self, identifier: str) -> Source | None:
        """What a row's source stands for; ``None`` if it speaks for itself."""
        return self._sources.get(identifier)

    def _names_of(self, accelerator: str) -> frozenset[str]:
        known = self.accelerator(accelerator)
        return frozenset({accelerator_key(known.name if known else accelerator)})

    def accelerator_memory_gib(self, machine: InstanceType) -> float:
        """Memory of one of its accelerators: by its row, else by the datasheet; 0 without any."""
        if machine.accelerator is None:
            return 0.0
        known = self.accelerator(machine.accelerator)
        return machine.accelerator_memory_gib or (known.memory_gib if known else 0.0)

    def _is_priced(self, machine: InstanceType, region: str) -> bool:
        return any(self.price(machine.provider, region, machine.name, way) for way in Purchase)

    def _files(self, name: str) -> Iterator[Path]:
        """The table in every folder that has it, the first folder's first."""
        for at, folder in enumerate(self._folders):
            if at == 0 or (folder / name).is_file():
                yield folder / name

    @cached_property
    def _machines(self) -> dict[tuple[str, str], InstanceType]:
        return {
            (machine.provider, machine.name): machine
            for file in self._files("machines.csv")
            for machine in read_machines(file, self.model_of)
        }

    @cached_property
    def _listed_prices(self) -> dict[PriceKey, Price]:
        return {
            price.key: price for file in self._files("prices.csv") for price in read_prices(file)
        }

    @cached_property
    def emissions(self) -> Emissions:
        """What machines emit where they stand."""
        return Emissions(
            regions=self._regions.values(),
            accelerators=self._accelerators.values(),
            power=[power for file in self._files("power.csv") for power in read_core_power(file)],
        )

    @cached_property
    def _accelerators(self) -> dict[str, Accelerator]:
        return {
            accelerator_key(name): accelerator
            for file in self._files("accelerators.csv")
            for accelerator, aliases in read_accelerators(file)
            for name in (accelerator.name, *aliases)
            if name
        }

    @cached_property
    def _regions(self) -> dict[tuple[str, str], Region]:
        return {
            (region.provider, region.name): region
            for file in self._files("regions.csv")
            for region in read_regions(file)
        }

    @cached_property
    def _egress(self) -> RegionMatrix:
        return RegionMatrix.read(self._folders[0] / "egress_usd_per_gib.csv")

    @cached_property
    def _round_trips(self) -> RegionMatrix:
        return RegionMatrix.read(self._folders[0] / "round_trip_ms.csv")

    @cached_property
    def _sources(self) -> dict[str, Source]:
        return {
            source.id: source
            for file in self._files("sources.csv")
            for source in read_sources(file)
        }
