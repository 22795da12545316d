"""The part of aiops.yaml that says where machines and prices are from, and which are the user's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.catalog.location import default_folder
from aiops_provider.catalog.names import provider_name
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import Price, StoragePrice
from aiops_provider.domain.profile import PRICED_STORAGE
from aiops_provider.settings.problem import SettingError
from aiops_provider.settings.section import Section

SOURCE = "aiops.yaml"


class OwnPriceSettings(Section):
    """What a machine really costs the user: negotiated, or worked out for a data centre."""

    provider: str = Field("on_premises", description="on_premises, aws, azure, google_cloud …")
    region: str | None = Field(None, description="Of the provider; default: every region.")
    instance_type: str = Field(description="The provider's name of the machine type, or yours.")
    purchase: Purchase = Field(Purchase.ON_DEMAND, description="on_demand, spot or reserved.")
    price_usd_per_hour: float = Field(ge=0, description="One machine for one hour.")


class OwnEgressSettings(Section):
    """What moving data between two regions really costs the user."""

    from_region: str = Field(description="Where the data is.")
    to_region: str = Field(description="Where it is read.")
    usd_per_gib: float = Field(ge=0, description="Price of moving one GiB.")


class OwnStorageSettings(Section):
    """What storage really costs the user."""

    provider: str = Field("on_premises", description="on_premises, aws, azure, google_cloud …")
    region: str | None = Field(None, description="Of the provider; default: every region.")
    storage_class: str = Field(
        description="object, file, sql, warehouse, key_value or stream, as profiles name it."
    )
    usd_per_gib_month: float = Field(ge=0, description="One GiB for one month of 730 hours.")

    @field_validator("storage_class")
    @classmethod
    def _has_a_price(cls, name: str) -> str:
        return priced_storage(name)


def priced_storage(name: str) -> str:
    """
    A class of storage that is paid for by GiB and month.

    Raises:
        SettingError: There is no such class.
    """
    if name not in PRICED_STORAGE:
        raise SettingError(
            "is no class of storage with a price",
            value=name,
            mend=f"Write one of {', '.join(PRICED_STORAGE)}.",
        )
    return name


class CatalogSettings(Section):
    """Machine types and prices that pools get which name only their instance_type."""

    folder: str | None = Field(
        None,
        description="What `aiops catalog refresh` and `import` write; default: the data folder.",
    )
    prices: tuple[OwnPriceSettings, ...] = Field(
        (), description="Prices of yours, which win over the catalogue's."
    )
    egress: tuple[OwnEgressSettings, ...] = Field(
        (), description="Prices of moving data, which win over the catalogue's."
    )
    storage: tuple[OwnStorageSettings, ...] = Field(
        (), description="Prices of storage, which win over imported and refreshed ones."
    )

    azure_url: str | None = Field(
        None, description="Where Azure's retail prices are asked for, if not at Microsoft."
    )
    google_cloud_url: str | None = Field(
        None, description="Where Google Cloud's price list is asked for, if not at Google."
    )
    google_api_key: SecretStr | None = Field(
        None,
        description="Key of a project with the Cloud Billing API, for `aiops catalog refresh`.",
    )

    @property
    def refreshed(self) -> Path:
        """The folder of what was refreshed and imported; it may be absent."""
        return Path(self.folder).expanduser() if self.folder else default_folder()

    def open(self) -> Catalog:
        """The catalogue of this installation."""
        return Catalog.load(self.refreshed, self._own_prices(), self._own_storage())

    def _own_prices(self) -> Iterator[Price]:
        today = date.today()  # noqa: DTZ011 - the user's own day: what is in force has no age
        for own in self.prices:
            yield Price(
                provider=provider_name(own.provider),
                region=own.region or Catalog.EVERY_REGION,
                name=own.instance_type,
                purchase=own.purchase,
                usd_per_hour=own.price_usd_per_hour,
                source=SOURCE,
                observed_on=today,
            )

    def _own_storage(self) -> Iterator[StoragePrice]:
        today = date.today()  # noqa: DTZ011 - as above
        for own in self.storage:
            yield StoragePrice(
                provider=provider_name(own.provider),
                region=own.region or Catalog.EVERY_REGION,
                storage_class=own.storage_class,
                usd_per_gib_month=own.usd_per_gib_month,
                source=SOURCE,
                observed_on=today,
            )
