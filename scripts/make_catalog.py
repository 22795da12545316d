"""
Makes the tables that the package embeds: machines, prices, regions, egress, round trips.

::

    python -m scripts.make_catalog FOLDER

FOLDER holds the files below, as their packages and repositories ship them (versions, commits and
licences: ``catalog_sources/sources.csv``):

======================== ============================================================
file                     from
======================== ============================================================
aws_machines.json.gz     moto, ``moto/ec2/resources/instance_types.json.gz``
aws_prices.go            karpenter-provider-aws, ``…/pricing/zz_generated.pricing_aws.go``
libcloud_prices.json     apache-libcloud, ``libcloud/data/pricing.json``
azure_prices.go          karpenter-provider-azure, ``…/pricing/zz_generated.pricing.go``
google_machines.csv      google-cloud-pricing-cost-calculator, ``tools/machinetypes.csv``
google_accelerators.yml  the same, ``build/gcp.yml``
google_prices.json       karpenter-provider-gcp, ``…/pricing/initial-prices.json``
egress.csv               Skyplane, ``profiles/cost.csv``
aws_egress.csv           skyplane, ``skyplane/data/aws_transfer_costs.csv``
round_trips.csv          Skyplane, ``profiles/latency.csv``
carbon.csv               codecarbon, ``codecarbon/data/cloud/impact.csv``
aws_footprint.js         @cloud-carbon-footprint/aws, ``dist/domain/AwsFootprintEstimationConstants.js``
aws_regions.js           the same, ``dist/lib/AWSRegions.js``
azure_footprint.js       @cloud-carbon-footprint/azure, ``dist/domain/Azure…Constants.js``
azure_regions.js         the same, ``dist/lib/AzureRegions.js``
us_grids.js              @cloud-carbon-footprint/core, ``dist/FootprintEstimationConstants.js``
======================== ============================================================

What no package tells is written by hand in ``catalog_sources/``, each row with its link. A figure
that no source gives stays out: an empty cell means unknown.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from aiops_provider.catalog.publish import machine_cells, price_cells
from aiops_provider.catalog.tables import MACHINE_COLUMNS, PRICE_COLUMNS
from scripts.catalog_sources import aws, azure, carbon, google_cloud, network
from scripts.catalog_sources.row import machines_by_hand, read_csv, source_date

HERE = Path(__file__).parent / "catalog_sources"
TARGET = Path(__file__).parents[1] / "aiops_provider" / "catalog" / "data"


def main(folder: Path) -> None:
    """Write every table from the files of the folder."""
    homes = {
        (row["provider"], row["region"]): row["place"] for row in read_csv(HERE / "regions.csv")
    }
    regions = {name: [r for p, r in homes if p == name] for name, _ in homes}
    machines = [
        *aws.machines(folder),
        *machines_by_hand("aws", HERE / "aws_machines.csv"),
        *machines_by_hand("azure", HERE / "azure_machines.csv"),
        *google_cloud.machines(folder),
    ]
    write("machines.csv", map(machine_cells, machines), MACHINE_COLUMNS)
    prices = [
        *aws.prices(folder, machines, regions["aws"]),
        *azure.prices(folder, machines, regions["azure"]),
        *google_cloud.prices(folder, machines, regions["google_cloud"]),
    ]
    write("prices.csv", map(price_cells, prices), PRICE_COLUMNS)
    egress, round_trips = network.egress(folder), network.round_trips(folder)
    write_matrix("egress_usd_per_gib.csv", egress)
    write_matrix("round_trip_ms.csv", round_trips)
    write_emissions(folder, homes, {*egress.places(), *round_trips.places()})
    for name in ("sources.csv", "accelerators.csv"):
        (TARGET / name).write_bytes((HERE / name).read_bytes())
    priced = {(row.provider, row.name) for row in prices}
    print(f"{len(machines)} machine types, {len(priced)} of them priced, {len(prices)} prices")


REGION_COLUMNS = ("provider", "region", "place", "carbon_g_per_kwh", "source", "date")
POWER_COLUMNS = (
    "provider", "core_idle_watts", "core_full_watts", "overhead", "source", "date",
)  # fmt: skip


def write_emissions(
    folder: Path, homes: dict[tuple[str, str], str], others: set[tuple[str, str]]
) -> None:
    """Write the regions with the carbon intensity of their power, and what machines draw."""
    known = carbon.intensities(folder, {*homes, *others})
    write("regions.csv", region_rows(homes, known), REGION_COLUMNS)
    rows = (
        (
            power.provider,
            power.idle_watts,
            power.full_watts,
            power.overhead,
            power.source,
            power.observed_on,
        )
        for power in carbon.core_power(folder)
    )
    write("power.csv", rows, POWER_COLUMNS)


def region_rows(
    homes: dict[tuple[str, str], str], known: dict[tuple[str, str], tuple[float, str]]
) -> Iterator[tuple[object, ...]]:
    """The home regions, then every other one whose carbon intensity is known."""
    for (provider, region), place in homes.items():
        yield provider, region, place, *_intensity(known.get((provider, region)))
    for (provider, region), found in sorted(known.items()):
        if (provider, region) not in homes:
            yield provider, region, "", *_intensity(found)


def _intensity(found: tuple[float, str] | None) -> tuple[object, ...]:
    if found is None:
        return "", "", ""
    grams, source = found
    return f"{grams:g}", source, source_date(source)


def write(name: str, rows: Iterable[Iterable[object]], columns: Iterable[str]) -> None:
    """Write one table, rows as given."""
    with (TARGET / name).open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_matrix(name: str, figures: network.Figures) -> None:
    """Write figures by pair of regions as a matrix: rows are where it starts, columns where to."""
    targets = sorted({pair[1] for pair in figures.by_pair})
    rows = (
        [start, figures.source_of(start), source_date(figures.source_of(start))]
        + [figures.cell(start, target) for target in targets]
        for start in sorted({pair[0] for pair in figures.by_pair})
    )
    write(name, rows, ["from", "source", "date", *targets])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
