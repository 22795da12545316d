"""The part of aiops.yaml that describes clusters and their machines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.domain.cluster import (
    WHOLE_CLUSTER,
    Availability,
    Capacity,
    ClusterSpec,
    Pool,
    Purchase,
    StorageRate,
)
from aiops_provider.settings.catalog_schema import priced_storage
from aiops_provider.settings.metrics_schema import MetricsSettings
from aiops_provider.settings.problem import SettingError
from aiops_provider.settings.section import Section


class CapacitySettings(Section):
    """Resources that can be in use at once."""

    cores: float = Field(gt=0, description="CPU cores.")
    memory_gib: float = Field(gt=0, description="Memory in GiB.")
    accelerators: dict[str, Annotated[int, Field(gt=0)]] = Field(
        default_factory=dict, description="Number of GPUs by model, such as {T4: 1}."
    )

    def to_domain(self, catalog: Catalog) -> Capacity:
        """
        The same as a domain object.

        Args:
            catalog: Tells the model that a name stands for, and its memory.
        """
        known = {name: catalog.accelerator(name) for name in self.accelerators}
        return Capacity(
            cores=self.cores,
            memory_gib=self.memory_gib,
            accelerators={
                catalog.model_of(name): count for name, count in self.accelerators.items()
            },
            accelerator_memory_gib={
                found.model: found.memory_gib for found in known.values() if found is not None
            },
        )


class PoolSettings(Section):
    """Machines of one type inside a cluster."""

    name: str | None = Field(None, description="Unique in its cluster; default: instance_type.")
    instance_type: str | None = Field(None, description="The provider's name of the machine type.")
    max_instances: int = Field(1, gt=0, description="Machines that may run at once.")
    machine: CapacitySettings | None = Field(
        None, description="What one machine of it offers; default: as the catalogue knows it."
    )
    price_usd_per_hour: float | None = Field(
        None,
        ge=0,
        description="Price of one machine for one hour; default: as the catalogue knows it.",
    )
    purchase: Purchase = Field(Purchase.ON_DEMAND, description="on_demand, spot or reserved.")
    watts: float | None = Field(
        None,
        gt=0,
        description="Mean power of one machine in use, with its part of cooling; default: by its "
        "cores and accelerators.",
    )

    @field_validator("machine", mode="before")
    @classmethod
    def _machine_is_no_name(cls, said: object) -> object:
        if isinstance(said, str):
            raise SettingError(
                "is a name, not what one machine offers",
                value=said,
                mend=f"Write it as `instance_type: {said}`.",
            )
        return said

    @model_validator(mode="after")
    def _machine_is_known(self) -> Self:
        if self.machine is None and self.instance_type is None:
            raise SettingError(
                f"nothing is known about machines of pool {self.label!r}",
                at=("machine",),
                mend="Name its instance_type, or say what one machine offers: "
                "machine: {cores: 4, memory_gib: 16}.",
            )
        return self

    @property
    def label(self) -> str:
        """Its name, or the one it has by default."""
        return self.name or self.instance_type or WHOLE_CLUSTER

    def to_domain(
        self, provider: str, region: str, catalog: Catalog, *, g_per_kwh: float | None = None
    ) -> Pool:
        """
        The same as a domain object.

        Args:
            provider: Of the cluster.
            region: Of the cluster.
            catalog: Tells what the pool leaves out.
            g_per_kwh: Carbon intensity of the cluster's power; default: as the catalogue knows it.

        Raises:
            DataError: Neither the pool nor the catalogue knows the machines.
        """
        price = self.price_usd_per_hour
        if price is None and self.instance_type is not None:
            listed = catalog.price(provider, region, self.instance_type, self.purchase)
            price = listed.usd_per_hour if listed else None
        machine = self._capacity(provider, catalog)
        return Pool(
            name=self.label,
            machine=machine,
            max_instances=self.max_instances,
            price_usd_per_hour=price,
            instance_type=self.instance_type,
            purchase=self.purchase,
            carbon=catalog.emissions.rate(
                provider, region, machine, watts=self.watts, g_per_kwh=g_per_kwh
            ),
        )

    def _capacity(self, provider: str, catalog: Catalog) -> Capacity:
        if self.machine is not None:
            return self.machine.to_domain(catalog)
        assert self.instance_type is not None  # noqa: S101 - the validator has seen to it
        listed = catalog.machine(provider, self.instance_type)
        memory_gib = catalog.accelerator_memory_gib(listed)
        if not listed.accelerator_model or not memory_gib:
            return listed.capacity
        return replace(
            listed.capacity, accelerator_memory_gib={listed.accelerator_model: memory_gib}
        )


class ClusterSettings(Section):
    """One cluster; keys that only its kind understands stand under ``options``."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$",
        description="Unique; lower-case letters, digits, - and _.",
    )
    kind: str = Field(description="local, celery, kubernetes, aws_batch, google_batch …")
    provider: str = Field("on_premises", description="on_premises, aws, azure, google_cloud …")
    region: str = Field("local", description="The provider's name of the region.")
    capacity: CapacitySettings | None = Field(
        None, description="Whole cluster as one machine; or give pools."
    )
    price_usd_per_hour: float | None = Field(
        None, ge=0, description="Price of `capacity` for one hour."
    )
    storage_usd_per_gib_month: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="What storage costs there by class, such as {object: 0.023}; default: as "
        "`catalog.storage` or the catalogue knows it.",
    )
    carbon_g_per_kwh: float | None = Field(
        None,
        ge=0,
        description="Grams of CO₂ equivalent per kWh of its power; default: as the catalogue knows "
        "its region.",
    )
    pools: tuple[PoolSettings, ...] = ()
    availability: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the time in which it can be used, such as 0.999; default: as its "
        "probes have measured it, once a day of them is known.",
    )
    options: dict[str, Any] = Field(default_factory=dict)
    metrics: MetricsSettings | None = Field(
        None, description="Where its metrics lie, to watch the cluster itself; `{}`: ask itself."
    )

    @field_validator("storage_usd_per_gib_month")
    @classmethod
    def _classes_have_prices(cls, prices: dict[str, float]) -> dict[str, float]:
        for name in prices:
            priced_storage(name)
        return prices

    @model_validator(mode="after")
    def _machines_are_known(self) -> Self:
        if self.capacity is not None and self.pools:
            raise SettingError(
                "capacity and pools are both given", at=("pools",), mend="Keep one of them."
            )
        if self.pools and self.price_usd_per_hour is not None:
            raise SettingError(
                "is the price of `capacity`, which is not given",
                at=("price_usd_per_hour",),
                value=self.price_usd_per_hour,
                mend="Give each pool its own price_usd_per_hour.",
            )
        if self.capacity is None and not self.pools and self.kind != "local":
            raise SettingError(
                "neither capacity nor pools is given",
                mend="Say what the cluster offers: capacity: {cores: 64, memory_gib: 256}.",
            )
        position = first_repeated([pool.label for pool in self.pools])
        if position is not None:
            raise SettingError(
                "two pools of this cluster have one name",
                at=("pools", position, "name"),
                value=self.pools[position].label,
                mend="Give each pool its own name.",
            )
        return self

    def to_domain(self, catalog: Catalog) -> ClusterSpec:
        """
        The same as a domain object; a local cluster without machines is this machine.

        Args:
            catalog: Tells what pools leave out.

        Raises:
            DataError: Neither a pool nor the catalogue knows its machines.
        """
        if self.pools:
            pools = tuple(
                pool.to_domain(self.provider, self.region, catalog, g_per_kwh=self.carbon_g_per_kwh)
                for pool in self.pools
            )
        else:
            machine = self.capacity.to_domain(catalog) if self.capacity else _this_machine()
            pools = (
                Pool(
                    name=WHOLE_CLUSTER,
                    machine=machine,
                    max_instances=1,
                    price_usd_per_hour=self.price_usd_per_hour,
                    carbon=catalog.emissions.rate(
                        self.provider, self.region, machine, g_per_kwh=self.carbon_g_per_kwh
                    ),
                ),
            )
        return ClusterSpec(
            name=self.name,
            kind=self.kind,
            provider=self.provider,
            region=self.region,
            pools=pools,
            options=dict(self.options),
            availability=None
            if self.availability is None
            else Availability(share=self.availability),
            storage=catalog.storage.rates(self.provider, self.region)
            | {
                name: StorageRate(usd_per_gib_month=usd)
                for name, usd in self.storage_usd_per_gib_month.items()
            },
        )


def first_repeated(names: Sequence[str]) -> int | None:
    """
    Position of the first name that stood there before, if any.

    >>> first_repeated(["a", "b", "a"])
    2
    """
    return next((at for at, name in enumerate(names) if name in names[:at]), None)


def _this_machine() -> Capacity:
    import psutil

    # What this process may use: a container often gets fewer cores than the machine has.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Capacity(
        cores=float(cores or 1),
        memory_gib=round(psutil.virtual_memory().total / 1024**3, 2),
    )
