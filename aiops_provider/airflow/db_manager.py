"""``airflow db migrate`` brings our tables along, ``airflow db reset`` takes them away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.utils.db_manager import BaseDBManager

from aiops_provider.airflow.host import open_installation
from aiops_provider.control import host_tables

if TYPE_CHECKING:
    from sqlalchemy import Connection


class AiopsDBManager(BaseDBManager):
    """
    Our tables as Airflow's ``db`` commands see them.

    Airflow finds it by itself, by our provider metadata. The tables are made by our own migrations,
    never from their definitions, so that those of a fresh database and of an upgraded one are the same.
    They live where aiops.yaml says; by default in the metadata database, with a table of revisions of
    their own.
    """

    metadata = host_tables.METADATA
    migration_dir = str(host_tables.MIGRATION_FOLDER)
    # There is none: nothing is configured outside of the code.
    alembic_file = str(host_tables.MIGRATION_FOLDER / "alembic.ini")
    version_table_name = host_tables.REVISION_TABLE
    supports_table_dropping = True

    def initdb(self, use_migration_files: bool = False) -> None:  # noqa: ARG002 - Airflow's
        """
        Create the tables, or bring them to what this version needs.

        Args:
            use_migration_files: They always are.
        """
        host_tables.upgrade_store(open_installation)

    def upgradedb(
        self,
        to_revision: str | None = None,
        from_revision: str | None = None,
        show_sql_only: bool = False,
        use_migration_files: bool = False,
    ) -> None:
        """
        Bring the tables to what this version needs.

        Args:
            to_revision: Cannot be chosen: the code reads and writes one schema only.
            from_revision: As above.
            show_sql_only: As above; a migration looks at what is there.
            use_migration_files: They always are.

        Raises:
            NotImplementedError: Something else was asked for.
        """
        if to_revision or from_revision or show_sql_only:
            raise NotImplementedError(
                "the tables of aiops-provider can only be brought to the revision that the installed "
                "version needs; leave to_revision, from_revision and show_sql_only out"
            )
        self.initdb(use_migration_files)

    def check_migration(self) -> bool:
        """Whether the tables are those that this version needs, as far as can be told."""
        return host_tables.is_upgraded(open_installation)

    def drop_tables(self, connection: Connection) -> None:
        """
        Drop our tables; a store outside of the metadata database is left alone.

        Args:
            connection: Airflow's, in a transaction.
        """
        host_tables.drop_tables(open_installation, connection)

    def downgrade(self, *_: Any, **__: Any) -> None:
        """
        Refuse: there is no way back but a backup.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("the tables of aiops-provider cannot be downgraded")
