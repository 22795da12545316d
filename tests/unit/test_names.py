"""The package is laid out so that a reader finds things."""

from pathlib import Path

import aiops_provider

PACKAGE = Path(aiops_provider.__file__).parent
NAMES_THAT_TELL_NOTHING = {"utils", "helpers", "common", "base", "misc", "core"}


def test_no_module_is_named_after_nothing():
    """A file is named for its role."""
    assert not [path for path in PACKAGE.rglob("*.py") if path.stem in NAMES_THAT_TELL_NOTHING]


def test_modules_stay_readable():
    """No module grows beyond what one reads in a sitting."""
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long
