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
