"""Files are looked at without waiting long for them."""

import threading

import pytest

from aiops_provider.control.file_sizes import FileSizes, local_path


def test_a_file_system_that_hangs_holds_up_nobody():
    """Who asks waits a twentieth of a second at most, once; the answer is there for a later question."""
    gate, looks = threading.Event(), []

    def look(path):
        looks.append(path)
        assert gate.wait(30)
        return 7

    now = [0.0]
    sizes = FileSizes(look, clock=lambda: now[0])
    try:
        assert sizes(["/nfs/a"]) == {}
        assert sizes(["/nfs/a", "/nfs/b"]) == {}
        assert looks == ["/nfs/a"]
    finally:
        gate.set()
    assert sizes._coming.over.wait(30)
    assert sizes(["/nfs/a"]) == {"/nfs/a": 7}


def test_a_size_is_believed_for_a_minute():
    """A file that grows is looked at again."""
    looks, now = [], [0.0]

    def look(path):
        looks.append(path)
        return len(looks)

    sizes = FileSizes(look, patience_s=30, clock=lambda: now[0])
    for moment, expected in ((0.0, 1), (59.0, 1), (61.0, 2)):
        now[0] = moment
        assert sizes(["/a"]) == {"/a": expected}


def test_what_cannot_be_read_has_no_size():
    """And is not looked at again by every task of the same moment."""
    looks = []

    def look(path):
        looks.append(path)
        raise PermissionError(path)

    sizes = FileSizes(look, patience_s=30)
    assert sizes(["/root/a"]) == sizes(["/root/a"]) == {}
    assert looks == ["/root/a"]


@pytest.mark.parametrize("text", ["a.csv", "s3://b/a", "/", "/{{ ds }}", "", "/a\nb", "http://h/a"])
def test_only_absolute_local_paths_are_looked_at(text):
    """Everything else may be anything."""
    assert local_path(text) is None
