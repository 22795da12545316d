"""
Machines that can be bought: their shape, their accelerators, their price, each with its source.

A figure that is unknown is ``None``, never 0 and never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from aiops_provider.domain.cluster import Capacity, Purchase

# On-demand and reserved prices change a few times a year, spot prices within days.
STALE_PRICE_DAYS = {Purchase.ON_DEMAND: 180, Purchase.RESERVED: 180, Purchase.SPOT: 7}

PriceKey = tuple[str, str, str, Purchase]
"""Provider, region, name of the machine type, and how it is bought."""

StorageKey = tuple[str, str, str]
"""Provider, region and class of storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """
    What one accelerator can do, by its vendor's datasheet.

    Attributes:
        name: The variant, such as ``A100-80GB-PCIe``.
        model: What tasks ask for and pools offer, such as ``A100-80GB``: variants of one model
            stand in for each other.
        vendor: Who makes it.
        memory_gib: Its memory as on the datasheet, whose GB are GiB. Of GDDR6 the driver gives
            about 6 % less, for error correction; see ``InstanceType.accelerator_memory_gib``.
        fp16_tflops: Peak of dense FP16 matrix products, in 10¹² operations a second; without
            sparsity, which datasheets like to count.
        fp32_tflops: Peak of FP32 outside tensor cores, in 10¹² operations a second.
        bandwidth_gb_per_s: Of its memory, in 10⁹ bytes a second.
        tdp_watts: Most that it draws for long, its thermal design power.
        source: Link to the datasheet.
        observed_on: Date of the datasheet.
    """

    name: str
    model: str
    vendor: str
    memory_gib: float
    fp16_tflops: float | None
    fp32_tflops: float | None
    bandwidth_gb_per_s: float | None
    tdp_watts: float | None = None
    source: str
    observed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """
    A machine type of a provider.

    Attributes:
        provider: ``aws``, ``azure``, ``google_cloud`` …
        name: The provider's name of it.
        cores: Virtual CPUs as sold; two of them are mostly one physical core.
        memory_gib: Memory.
        accelerator: Variant of its accelerators, ``None`` if it has none.
        accelerator_model: What tasks ask for to get them.
        accelerator_count: How many; 0 if it has none.
        accelerator_memory_gib: Memory of one that programs can use; ``None``: see the datasheet.
        network_gbps: Bandwidth of its network in 10⁹ bits a second, lasting rather than in bursts.
        local_disk_gib: Disks inside the machine, all together.
        architecture: ``x86_64`` or ``arm64``.
        source: Where the row is from.
        observed_on: When.
    """

    provider: str
    name: str
    cores: float
    memory_gib: float
    accelerator: str | None = None
    accelerator_model: str | None = None
    accelerator_count: int = 0
    accelerator_memory_gib: float | None = None
    network_gbps: float | None = None
    local_disk_gib: float | None = None
    architecture: str | None = None
    source: str
    observed_on: date

    @property
    def capacity(self) -> Capacity:
        """What one machine offers to tasks."""
        offered = {self.accelerator_model: self.accelerator_count} if self.accelerator_model else {}
        return Capacity(cores=self.cores, memory_gib=self.memory_gib, accelerators=offered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """
    What one machine costs.

    Attributes:
        provider: ``aws``, ``azure``, ``google_cloud`` …
        region: The provider's name of the region.
        name: Of the machine type.
        purchase: How it is bought.
        usd_per_hour: For one hour, Linux, without disks and traffic. A reserved price is that of
            one year without upfront payment.
        source: Where it is from.
        observed_on: When.
    """

    provider: str
    region: str
    name: str
    purchase: Purchase
    usd_per_hour: float
    source: str
    observed_on: date

    @property
    def key(self) -> PriceKey:
        """What it is the price of."""
        return self.provider, self.region, self.name, self.purchase

    def age_days(self, today: date) -> int:
        """Days since it was observed."""
        return (today - self.observed_on).days

    def stale(self, today: date) -> bool:
        """Whether it is too old to be trusted without a look at the provider's list."""
        return self.age_days(today) > STALE_PRICE_DAYS[self.purchase]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePrice:
    """
    What one GiB of storage costs for a month of 730 hours.

    Attributes:
        provider: ``aws``, ``azure``, ``google_cloud`` …
        region: The provider's name of the region.
        storage_class: One of ``PRICED_STORAGE``.
        usd_per_gib_month: Of the first terabytes, without requests and retrieval.
        source: Where it is from.
        observed_on: When.
    """

    provider: str
    region: str
    storage_class: str
    usd_per_gib_month: float
    source: str
    observed_on: date

    @property
    def key(self) -> StorageKey:
        """What it is the price of."""
        return self.provider, self.region, self.storage_class

    def age_days(self, today: date) -> int:
        """Days since it was observed."""
        return (today - self.observed_on).days

    def stale(self, today: date) -> bool:
        """Whether it is too old to be trusted without a look at the provider's list."""
        return self.age_days(today) > STALE_PRICE_DAYS[Purchase.ON_DEMAND]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePower:
    """
    What the machines of a provider draw.

    Attributes:
        provider: ``aws``, ``azure``, ``google_cloud`` …
        idle_watts: Of one virtual CPU with its part of the server, doing nothing.
        full_watts: As above, fully busy.
        overhead: Power of the whole data centre as a multiple of its machines' (power usage
            effectiveness).
        source: Where it is from.
        observed_on: When.
    """

    provider: str
    idle_watts: float
    full_watts: float
    overhead: float
    source: str
    observed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """
    A region of a provider.

    Attributes:
        provider: ``aws``, ``azure``, ``google_cloud`` …
        name: The provider's name of it.
        place: Where it is, if known.
        carbon_g_per_kwh: Grams of CO₂ equivalent per kWh of its power, if known.
        source: Where the carbon intensity is from.
        observed_on: When.
    """

    provider: str
    name: str
    place: str = ""
    carbon_g_per_kwh: float | None = None
    source: str = ""
    observed_on: date | None = None
