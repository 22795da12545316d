"""Files that people write by hand, and what is said of those that cannot be used."""

import gzip

import pytest

from aiops_provider.control.diagnose_calls import diagnose_calls
from aiops_provider.control.kpi_file import read_kpi_file
from aiops_provider.control.row_file import moment_of, read_rows
from aiops_provider.control.score_file import score_file
from aiops_provider.detection.rules_file import load_rules
from aiops_provider.errors import DataError, RuleError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("observed_at,name,value\n0001-01-01T00:00:00+05:00,a,1\n", "before the year 1"),
        ("observed_at,name,value,value\n2026-01-01T00:00:00Z,a,1,2\n", "value: there are several"),
        ("observed_at;name;value\n2026-01-01T00:00:00Z;a;1\n", "separated by ';'"),
        ('observed_at,name,value\n2026-01-01T00:00:00Z,a,"1,5"\n', "decimals with a point"),
    ],
)
def test_what_people_get_wrong_is_named(tmp_path, content, said):
    """With the column, and what to write instead."""
    file = tmp_path / "kpis.csv"
    file.write_text(content)
    with pytest.raises(DataError, match=said):
        read_kpi_file(file)


def test_packed_files_are_read(tmp_path):
    """As archives of KPIs are."""
    file = tmp_path / "kpis.csv.gz"
    file.write_bytes(gzip.compress(b"observed_at,name,value\n2026-01-01T00:00:00Z,a,1\n"))
    assert ["a"] == [sample.name for sample in read_kpi_file(file)]


def test_what_only_looks_packed_is_refused(tmp_path):
    """Or was cut off while it was copied."""
    file = tmp_path / "kpis.csv.gz"
    for content in (b"observed_at,name,value\n", gzip.compress(b"a,b\n1,2\n" * 99)[:-9]):
        file.write_bytes(content)
        with pytest.raises(DataError, match="cannot be unpacked"):
            list(read_rows(file))


def test_a_folder_is_no_file(tmp_path):
    """Whatever its name is."""
    folder = tmp_path / "kpis.csv"
    folder.mkdir()
    with pytest.raises(DataError, match="is a folder"):
        read_rows(folder)


def test_columns_without_a_name_are_no_duplicates(tmp_path):
    """Spreadsheets leave commas at the end of lines."""
    file = tmp_path / "rows.csv"
    file.write_text("a,,\n1,,\n")
    assert "1" == next(read_rows(file)).text("a", "")


def test_a_moment_beyond_all_years_is_refused():
    """UTC has no year 10000."""

    def wrong(problem, mend):
        return DataError(problem, field="onset", mend=mend)

    with pytest.raises(DataError, match="after the year 9999"):
        moment_of("9999-12-31T23:59:59-05:00", wrong)


def test_an_anomaly_that_ends_before_it_begins_is_refused(tmp_path):
    """It would count as no anomaly at all."""
    scores, labels = tmp_path / "scores.csv", tmp_path / "labels.csv"
    scores.write_text("observed_at,score,series\n2026-01-01T00:00:00Z,0.9,a\n")
    labels.write_text("begin,end,series\n2026-01-01T00:00:00Z,2025-01-01T00:00:00Z,a\n")
    with pytest.raises(DataError, match="end: is before its begin"):
        score_file(scores, labels)
    nab = tmp_path / "labels.json"
    nab.write_text('{"a": [["2026-01-01 00:00:00", "2025-01-01 00:00:00"]]}')
    with pytest.raises(DataError, match="ends before it begins"):
        score_file(scores, nab)


def test_an_onset_that_nothing_was_measured_at_is_refused(tmp_path):
    """It would rank what is usual."""
    kpis, calls = tmp_path / "kpis.csv", tmp_path / "calls.csv"
    rows = [f"2026-01-01T00:{minute:02}:00Z,web,1" for minute in range(20)]
    kpis.write_text("\n".join(["observed_at,service,value", *rows]))
    calls.write_text("caller,callee\nweb,db\n")

    def wrong(problem, mend):
        return DataError(problem, field="onset", mend=mend)

    with pytest.raises(DataError, match="onset: is outside of what was measured"):
        diagnose_calls(kpis, calls, target="web", onset=moment_of("2027-01-01T00:00:00Z", wrong))


def test_another_version_of_rules_is_named():
    """With what it is, not with its key."""
    with pytest.raises(RuleError, match=r"version.*2"):
        load_rules("version: 2\nrules: []\n", "rules.yaml")
