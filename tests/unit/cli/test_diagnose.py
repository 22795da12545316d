"""``aiops diagnose``."""

import pytest


def write(file, header: str, rows: list[str]) -> None:
    file.write_text("\n".join([header, *rows]))


def test_the_broken_version_of_one_device_is_named(aiops, tmp_path):
    """A conjunction explains the deviation of the total."""
    rows = [
        f"{os},{version},{30 if (os, version) == ('ios', '3.2') else 100},100"
        for os in ("ios", "android", "web")
        for version in ("3.0", "3.1", "3.2", "3.3")
    ]
    write(tmp_path / "snapshot.csv", "os,version,actual,expected", rows)
    answer = aiops("diagnose", "snapshot.csv", "--output", "json")
    assert 0 == answer.status
    (cause,) = answer.data["causes"]
    assert {"os": "ios", "version": "3.2"} == cause["cause"]
    assert pytest.approx(1.0) == cause["deviation_share"]


def test_a_derived_measure_is_compared_by_its_ratio(aiops, tmp_path):
    """Three times the requests are no news, three times the error ratio is."""
    rows = [
        f"{region},{host},{3 * 50 * (3 if region == 'eu' else 1)},3000,50,1000"
        for region in ("eu", "us", "ap", "sa", "af")
        for host in ("a", "b", "c")
    ]
    header = "region,host,actual_num,actual_den,expected_num,expected_den"
    write(tmp_path / "errors.csv", header, rows)
    answer = aiops("diagnose", "errors.csv", "--output", "json")
    assert [{"region": "eu"}] == [one["cause"] for one in answer.data["causes"]]


def test_the_table_says_when_nothing_is_off(aiops, tmp_path):
    """A person is told so in words."""
    write(tmp_path / "fine.csv", "os,actual,expected", ["ios,100,100", "web,50,50"])
    assert "Nothing but noise is off." in aiops("diagnose", "fine.csv").out


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("os,actual", "ios,3", "this column or its partner is missing"),
        ("os,actual,expected", "ios,,3", "actual: is empty"),
        ("os,actual,expected", "ios,-3,3", "is no number >= 0"),
        ("actual,expected", "3,3", "has no dimension columns"),
        ("os,actual,expected", "", "holds no rows"),
    ],
)
def test_a_snapshot_that_cannot_be_used_is_refused(aiops, tmp_path, header, row, said):
    """Exit status 2, with what to mend."""
    write(tmp_path / "bad.csv", header, [row] if row else [])
    answer = aiops("diagnose", "bad.csv")
    assert 2 == answer.status
    assert said in answer.err


def services(tmp_path):
    """A site that is slow because of a table."""
    slow = {"site": 0.7, "search": 0.6, "table": 0.52, "pay": 0.1}
    fast = {"site": 0.2, "search": 0.1, "table": 0.02, "pay": 0.1}
    rows = [
        f"2026-11-02T14:{minute:02d}:00Z,{name},{(slow if minute >= 10 else fast)[name]},100"
        for minute in range(0, 25, 5)
        for name in fast
    ]
    write(tmp_path / "kpis.csv", "observed_at,service,value,requests", rows)
    calls = ["site,search", "site,pay", "search,table"]
    write(tmp_path / "calls.csv", "caller,callee", calls)
    return ("diagnose", "kpis.csv", "--calls", "calls.csv")


def test_the_service_at_fault_is_named(aiops, tmp_path):
    """Those that call it are slow because of it."""
    asked = (*services(tmp_path), "--target", "site", "--onset", "2026-11-02T14:10:00Z")
    answer = aiops(*asked, "--output", "json")

    assert 0 == answer.status
    assert "table" == answer.data["causes"][0]["service"]
    assert answer.data["causes"][0]["share"] > 0.9
    assert "Who does the harm" in aiops(*asked).out


def test_a_service_whose_kpi_rises_is_not_less_available(aiops, tmp_path):
    """The table says so in words."""
    asked = (*services(tmp_path), "--target", "site", "--onset", "2026-11-02T15:10:00+01:00")

    assert "got worse" in aiops(*asked, "--lower-is-worse").out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--onset", "2026-11-02T14:10:00Z"], "--target: is missing"),
        (["--target", "site"], "--onset: is no moment"),
        (["--target", "site", "--onset", "2026-11-02T14:10:00"], "has no time zone"),
        (["--target", "shop", "--onset", "2026-11-02T14:10:00Z"], "Name one of pay, search"),
    ],
)
def test_what_is_missing_for_services_is_said(aiops, tmp_path, options, said):
    """Exit status 2, with the mend."""
    answer = aiops(*services(tmp_path), *options)

    assert 2 == answer.status
    assert said in answer.err


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("observed_at,value", "2026-11-02T14:10:00Z,1", "service: is missing"),
        ("service,value", "site,1", "observed_at: is missing"),
        ("observed_at,service,value", "2026-11-02T14:10:00Z,site,1", "fewer than two moments"),
    ],
)
def test_kpis_of_services_that_cannot_be_used_are_refused(aiops, tmp_path, header, row, said):
    """Exit status 2, with what to mend."""
    asked = (*services(tmp_path), "--target", "site", "--onset", "2026-11-02T14:10:00Z")
    write(tmp_path / "kpis.csv", header, [row])
    answer = aiops(*asked)

    assert 2 == answer.status
    assert said in answer.err
