from __future__ import annotations

import json
import logging
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.telemetry.spool import Parcel, Spool

_URL = "http://127.0.0.1:1"


def _parcel(*values, url=_URL, kind="kpis"):
    return Parcel(kind=kind, url=url, token="token", items=tuple({"value": v} for v in values))


def _waiting(spool, url=_URL):
    return [item["value"] for _, parcel in spool.waiting(url) for item in parcel.items]


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "deep" / "spool")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(items=st.lists(st.dictionaries(st.text(), _json, max_size=3), max_size=3))
def test_what_goes_in_comes_out(items):
    """Any item survives the disk, whatever characters it holds."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool")
        parcel = Parcel(kind="kpis", url=_URL, token="t", items=tuple(items))
        spool.put(parcel)
        [(path, read)] = spool.waiting(_URL)
        assert read == parcel
        spool.remove(path)
        assert list(spool.waiting(_URL)) == []


def test_only_the_owner_can_read(spool):
    """Files and folder are for the owner only, also if the folder was there before."""
    spool.folder.mkdir(parents=True, mode=0o755)
    spool.put(_parcel(1))
    spool.reject([{"value": 1}])
    for path in (spool.folder, *spool.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_oldest_parcels_make_room(tmp_path, caplog):
    """A full spool drops its oldest parcels, with a warning, and keeps within its bound."""
    spool = Spool(tmp_path / "spool", max_bytes=2_000)
    for number in range(50):
        spool.put(_parcel(number))
    left = _waiting(spool)
    assert left == list(range(50 - len(left), 50))
    assert 10 < len(left) < 40
    assert sum(path.stat().st_size for path in spool.folder.glob("*.jsonl")) <= 2_000
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_rejected_items_are_bounded(spool, monkeypatch):
    """Rejected items are kept up to a bound; the newest are there."""
    monkeypatch.setattr("aiops_provider.telemetry.spool._MAX_REJECTED_BYTES", 600)
    paths = [spool.reject([{"value": "x" * 100, "number": number}]) for number in range(10)]
    assert [path.exists() for path in paths] == [False] * 6 + [True] * 4
    assert json.loads(paths[-1].read_text())["number"] == 9


def test_parcel_that_is_too_old(spool, caplog):
    """After a week its token has expired: the parcel is dropped with a warning."""
    spool.put(_parcel(1))
    [path] = spool.folder.glob("*.jsonl")
    os.utime(path, (0, 0))
    assert _waiting(spool) == []
    assert not path.exists()
    assert "dropped" in caplog.text


@pytest.mark.parametrize(
    "text",
    ["", "no json", '{"kind": "kpis"}', '{"kind": "other", "url": "u", "token": "t"}', "[1]"],
)
def test_damaged_file(spool, text, caplog):
    """A damaged file is dropped with a warning, and the others are delivered."""
    spool.put(_parcel(1))
    (spool.folder / "0.jsonl").write_text(text)
    assert _waiting(spool) == [1]
    assert not (spool.folder / "0.jsonl").exists()
    assert "damaged" in caplog.text


def test_half_written_file_is_not_seen(spool):
    """What a process that was killed had begun to write is no parcel."""
    spool.put(_parcel(1))
    (spool.folder / "0.part").write_text('{"kind"')
    assert _waiting(spool) == [1]


def test_one_at_a_time(spool):
    """Two clients never deliver from one spool at the same time."""
    spool.put(_parcel(1))
    with spool.lock() as first, Spool(spool.folder).lock() as second:
        assert (first, second) == (True, False)
    with spool.lock() as again:
        assert again


def test_forked_process_does_not_keep_the_lock(spool):
    """A process that was forked while the lock was held does not hold it after its release."""
    spool.put(_parcel(1))
    reader, writer = os.pipe()
    with spool.lock() as mine:
        assert mine
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    with spool.lock() as again:
        assert again
    os.close(writer)
    os.close(reader)
    os.waitpid(pid, 0)


def test_folder_that_is_a_link(spool, tmp_path):
    """A link to a folder is not used: whoever laid it could lay parcels under our name."""
    real = Spool(tmp_path / "real")
    real.put(_parcel(1))
    spool.folder.parent.mkdir()
    spool.folder.symlink_to(real.folder)
    with pytest.raises(PermissionError, match="not a folder of our own"):
        spool.put(_parcel(2))
    with spool.lock() as mine:
        assert not mine
    assert _waiting(real) == [1]


def test_failed_write_leaves_nothing(spool):
    """An item that is no JSON leaves no file behind."""
    spool.put(_parcel(1))
    with pytest.raises(ValueError, match="not JSON compliant"):
        spool.put(_parcel(float("nan")))
    assert _waiting(spool) == [1]
    assert list(spool.folder.glob("*.part")) == []
