"""``aiops catalog``."""

from __future__ import annotations

import pytest

HEADING = (
    "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,SpotPrice,Region,GpuInfo,"
    "AvailabilityZone\n"
)


def test_list_filters_and_says_how_old_a_price_is(aiops):
    """Only machine types that offer what is asked for are listed, each price with age and source."""
    answer = aiops(
        "catalog", "list", "--accelerator", "h100", "--min-accelerators", "8",
        "--provider", "aws", "--output", "json",
    )  # fmt: skip
    (found,) = answer.data
    (price,) = found["prices"]

    assert "p5.48xlarge" == found["machine"]["name"]
    assert ("us-east-1", 55.04, "2026-07-20") == (
        price["region"], price["usd_per_hour"], price["observed_on"],
    )  # fmt: skip
    assert price["age_days"] > 0
    assert "karpenter" in price["source"]


def test_stale_prices_are_shown_as_stale(aiops):
    """A spot price of months ago is marked, in the table too."""
    answer = aiops(
        "catalog", "list", "--provider", "gcp", "--purchase", "spot", "--region", "us-central1"
    )

    assert answer.status == 0
    assert "stale" in answer.out


def test_nothing_found_is_said(aiops):
    """A filter that nothing passes is no error."""
    answer = aiops("catalog", "list", "--min-cores", "100000")

    assert answer.status == 0
    assert "No machine type" in answer.err


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--accelerator", "Q100", "accelerator: is no accelerator that the catalogue knows"),
        ("--provider", "awss", "Did you mean 'aws'?"),
        ("--region", "eu-central-9", "Did you mean 'eu-central-1'?"),
        ("--region", "nowhere", "region: is no region that the catalogue knows (got 'nowhere')"),
    ],
)
def test_a_misspelt_name_is_not_an_empty_list(aiops, option, value, words):
    """What nobody sells and what nobody has heard of are different answers."""
    answer = aiops("catalog", "list", option, value)
    assert (answer.status, answer.out) == (2, "")
    assert words in answer.err


def test_other_names_of_what_is_known_are_understood(aiops):
    """As in aiops.yaml."""
    found = aiops(
        "catalog", "list", "--provider", "GCP", "--accelerator", "nvidia l4", "-o", "json"
    ).data
    assert {"google_cloud"} == {each["machine"]["provider"] for each in found}
    assert found


def test_an_empty_import_names_its_file(aiops, tmp_path):
    """Nothing of a cloud's permissions, which have nothing to do with it."""
    file = tmp_path / "vms.csv"
    file.write_text("")
    answer = aiops("catalog", "import", str(file), "--provider", "aws")
    assert answer.status == 2
    assert "vms.csv: holds no row. Give it a heading with InstanceType, " in answer.err


def test_show_tells_facts_of_the_accelerator(aiops):
    """One machine type with its accelerator's datasheet and every price."""
    (found,) = aiops("catalog", "show", "a2-ultragpu-1g", "--output", "json").data

    assert 2039 == found["accelerator"]["bandwidth_gb_per_s"]
    assert {"on_demand", "spot"} == {price["purchase"] for price in found["prices"]}


def test_show_of_an_unknown_type_names_the_nearest(aiops):
    """A misspelt name is refused with the nearest ones."""
    answer = aiops("catalog", "show", "standard_d4_v5")

    assert answer.status == 2
    assert "Standard_D4s_v5" in answer.err


def test_import_wins_over_the_embedded_catalogue(aiops, tmp_path):
    """What is imported is found from then on, by every command of this user."""
    (tmp_path / "vms.csv").write_text(
        HEADING + "g5.xlarge,A10G,1,4,16,0.95,0.4,us-east-1,,us-east-1a\n"
        "q1.large,,,2,8,0.05,,us-east-1,,us-east-1a\n"
    )
    done = aiops(
        "catalog", "import", "vms.csv", "--provider", "aws", "--observed-on", "2026-11-01",
        "--output", "json",
    )  # fmt: skip
    (old,) = aiops("catalog", "show", "g5.xlarge", "--output", "json").data
    (new,) = aiops("catalog", "show", "q1.large", "--output", "json").data

    assert (0, 2, 3) == (done.status, done.data["machines"], done.data["prices"])
    assert str(tmp_path / "data" / "aiops" / "catalog") == done.data["folder"]
    assert {0.95, 0.4} == {
        price["usd_per_hour"] for price in old["prices"] if price["region"] == "us-east-1"
    }
    assert "2026-11-01" == new["prices"][0]["observed_on"]


def test_bad_import_is_refused(aiops, tmp_path):
    """A file that cannot be used changes nothing."""
    (tmp_path / "vms.csv").write_text(HEADING + "g5.xlarge,A10G,1,4,16,free,,us-east-1,,\n")
    answer = aiops("catalog", "import", "vms.csv", "--provider", "aws")

    assert answer.status == 2
    assert "vms.csv:2: Price: is no number" in answer.err
    assert not (tmp_path / "data" / "aiops" / "catalog").exists()


def test_refresh_renews_what_the_clusters_use(aiops, tmp_path, prices):
    """The command asks the price list of the configured address and tells what it got."""
    prices.meters = [prices.meter("Standard_D4s_v5", 0.2468)]
    (tmp_path / "aiops.yaml").write_text(
        f"catalog: {{azure_url: {prices.azure_url}}}\n"
        "clusters:\n"
        "  - {name: aks, kind: local, provider: azure, region: northeurope,\n"
        "     pools: [{instance_type: Standard_D4s_v5}]}\n"
    )
    (done,) = aiops("catalog", "refresh", "--output", "json").data
    (shown,) = aiops("catalog", "show", "Standard_D4s_v5", "--output", "json").data

    assert ("azure", ["northeurope"], 1, None) == (
        done["provider"], done["regions"], done["prices"], done["problem"],
    )  # fmt: skip
    assert [0.2468] == [
        price["usd_per_hour"] for price in shown["prices"] if price["region"] == "northeurope"
    ]


def test_failed_refresh_is_an_exit_status(aiops, tmp_path, prices):
    """A script sees that the old catalogue stays; the table says why."""
    prices.failing = dict.fromkeys(range(9), 404)
    (tmp_path / "aiops.yaml").write_text(f"catalog: {{azure_url: {prices.azure_url}}}\n")
    answer = aiops("catalog", "refresh", "--provider", "azure", "--region", "westeurope")

    assert answer.status == 1
    assert "answers with status 404" in answer.out


def test_prices_of_storage_are_imported_and_shown(aiops, tmp_path):
    """Without any it is said what to do; an imported one has its source, and is stale when it is old."""
    (tmp_path / "aiops.yaml").write_text(f"catalog: {{folder: {tmp_path}/catalog}}\n")
    nothing = aiops("catalog", "storage")
    assert 0 == nothing.status
    assert "catalog.storage" in nothing.err
    (tmp_path / "s.csv").write_text(
        "provider,region,storage_class,usd_per_gib_month,source,date\n"
        "aws,us-east-1,object,0.025,my contract,2020-01-02\n"
    )
    assert 0 == aiops("catalog", "import-storage", "s.csv").status
    (found,) = aiops("catalog", "storage", "--output", "json").data
    assert (0.025, True) == (found["price"]["usd_per_gib_month"], found["stale"])
    assert "stale" in aiops("catalog", "storage").out
