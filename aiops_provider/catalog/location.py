"""Where the user's part of the catalogue lies unless the settings name another folder."""

from __future__ import annotations

import os
from pathlib import Path


def default_folder() -> Path:
    """``catalog`` in the user's data folder of the layer; it is not made here."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "aiops" / "catalog"
