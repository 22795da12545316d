"""
Our tables, for a host that migrates all that lie in its database with one command.

The store of an installation may be another database than the host's: it is migrated all the same, and
never dropped with the host's tables.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.errors import StoreNotMigratedError, StoreUnreachableError
from aiops_provider.store.schema import MIGRATIONS
from aiops_provider.store.tables import VERSION_TABLE, metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, MetaData

    from aiops_provider.control.installation import Installation

log = logging.getLogger(__name__)

METADATA: MetaData = metadata
MIGRATION_FOLDER: Path = MIGRATIONS
REVISION_TABLE: str = VERSION_TABLE


def upgrade_store(open_installation: Callable[[], Installation]) -> None:
    """
    Bring the store of an installation to what this version needs; nothing where it is switched off.

    Raises:
        ConfigurationError: The configuration cannot be used.
        StoreError: The store does not answer, or a newer version of the package upgraded it.
    """
    installation = open_installation()
    try:
        if not installation.settings.enabled:
            log.info("The AIOps layer is switched off: its tables are left as they are")
            return
        store = installation.require_store()
        before, after = store.upgrade()
        log.info("%s: %s (was: %s)", store.url_redacted, after, before or "no tables")
    finally:
        installation.close()


def is_upgraded(open_installation: Callable[[], Installation]) -> bool:
    """
    Whether a host may start as far as our tables are concerned.

    Only tables that are missing or old say no. A layer that cannot be used is off, and a store that
    does not answer is done without: neither keeps a host from starting.
    """
    try:
        installation = open_installation()
    except Exception:
        # Whatever is wrong with us, the host must start.
        log.exception("The AIOps layer will be off: its configuration cannot be used")
        return True
    try:
        if installation.settings.enabled:
            installation.require_store().check()
    except StoreNotMigratedError as error:
        log.info("%s", error)
        return False
    except StoreUnreachableError as error:
        log.warning("The store of the AIOps layer cannot be checked: %s", error)
    finally:
        installation.close()
    return True


def drop_tables(open_installation: Callable[[], Installation], connection: Connection) -> None:
    """
    Drop our tables in a transaction of the host's, if they lie in the host's database.

    Args:
        open_installation: Reads the settings as the host finds them.
        connection: The host's, to the database that it resets.

    Raises:
        ConfigurationError: The configuration cannot be used.
    """
    from aiops_provider.store.schema import drop

    installation = open_installation()
    try:
        if installation.shares_host_database:
            drop(connection)
        else:
            log.info("The store of the AIOps layer is another database; it is left as it is")
    finally:
        installation.close()
