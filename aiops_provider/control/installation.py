"""
One installation of the layer in this process: its settings, store, clusters and secret.

Opened once per process at a door and handed down. Opening does no network I/O: whether the store
answers is asked with ``installation.store.check()``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aiops_provider.control.secret_file import MINIMUM_CHARACTERS, new_secret, read_secrets
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ConfigurationError, StoreUnreachableError
from aiops_provider.settings.checks import is_sqlite, serves_this_machine_only
from aiops_provider.settings.schema import Settings

if TYPE_CHECKING:
    from aiops_provider.store import Store

SECRET_VARIABLE = "AIOPS_TOKEN_SECRET"  # noqa: S105 - the name of a variable
SECRET_FILE_VARIABLE = "AIOPS_TOKEN_SECRET_FILE"  # noqa: S105 - as above
_SECRET_FILE = "aiops_token_secret"  # noqa: S105 - the name of a file


@dataclass(slots=True, kw_only=True)
class Installation:
    """
    What every journey works on.

    Attributes:
        settings: As read at the door.
        store: Where everything is remembered; ``None``: the layer works from memory only.
        clusters: As configured.
        shares_host_database: Whether the store lies in the host's own database, so that rows can
            be written in the host's transactions.
    """

    settings: Settings
    store: Store | None
    clusters: tuple[ClusterSpec, ...]
    shares_host_database: bool = False
    _store_url: str | None = field(default=None, repr=False)
    _token_secret: str | None = field(default=None, repr=False)
    _secret_file: Path | None = field(default=None, repr=False)

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        default_store_url: str | None = None,
        default_token_secret: str | None = None,
    ) -> Self:
        """
        Open the installation of these settings.

        Args:
            settings: As read.
            default_store_url: The host's own database, used unless the settings name a store.
            default_token_secret: A secret of the host that all its components share; what signs
                the tokens is derived from it, so that neither side can be used against the other.

        Raises:
            ConfigurationError: The store cannot serve these clusters, or the secret is too short.
        """
        from aiops_provider.store import Store

        configured = settings.store.get_secret_value() if settings.store else None
        url = configured or default_store_url or default_url()
        _check_reach(url, settings)
        return cls(
            settings=settings,
            store=Store.open(url),
            clusters=settings.cluster_specs,
            shares_host_database=default_store_url is not None and url == default_store_url,
            _store_url=url,
            _token_secret=_given_secret(settings, default_token_secret),
            _secret_file=_given_file() or _beside(url),
        )

    @classmethod
    def without_store(cls, settings: Settings) -> Self:
        """An installation that remembers nothing: decisions come from memory and priors."""
        return cls(
            settings=settings,
            store=None,
            clusters=settings.cluster_specs,
            _token_secret=_given_secret(settings, None) or new_secret(),
        )

    @property
    def token_secret(self) -> str:
        """
        What signs the tokens; made at first use beside an SQLite store.

        Raises:
            ConfigurationError: There is none, and the store is shared by several machines.
        """
        if self._token_secret is None:
            return self.token_secrets[0]
        return self._token_secret

    @property
    def token_secrets(self) -> tuple[str, ...]:
        """
        The secrets whose tokens are valid, the one that signs first; a file is looked at each time.

        Raises:
            ConfigurationError: As above, or the file cannot be used.
        """
        if self._token_secret is None:
            if self._secret_file is None:
                raise ConfigurationError(
                    "is not set, and several machines share this store",
                    field="server.token_secret",
                    mend=f"Put what `aiops token secret` prints into {SECRET_VARIABLE} of every component.",
                )
            return read_secrets(self._secret_file)
        return (self._token_secret,)

    @property
    def secret_file(self) -> Path | None:
        """Where the secret is kept; ``None`` when one was given by other ways."""
        return self._secret_file if self._token_secret is None else None

    def require_store(self) -> Store:
        """
        The store, for journeys that cannot do without.

        Raises:
            StoreUnreachableError: There is none.
        """
        if self.store is None:
            raise StoreUnreachableError("this installation was opened without a store")
        return self.store

    def settings_for_child(self) -> dict[str, Any]:
        """
        The settings for a process that works on the same store, as plain data with its URL.

        It holds the store's password: hand it over by a pipe, never by arguments or a file.
        """
        data = self.settings.model_dump(mode="json")
        data["store"] = self._store_url
        data["server"]["token_secret"] = None  # whoever needs no token gets no secret
        data["catalog"]["google_api_key"] = None  # nor does it ask price lists
        return data

    def cluster(self, name: str) -> ClusterSpec | None:
        """The cluster of that name, if it is configured."""
        return next((cluster for cluster in self.clusters if cluster.name == name), None)

    def close(self) -> None:
        """Let go of the store's connections."""
        if self.store is not None:
            self.store.close()


def data_folder() -> Path:
    """The user's data folder of the layer, made when it is missing, closed to others."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    folder = Path(base).expanduser() / "aiops"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def default_url() -> str:
    """The store of a user who configured none: SQLite in the data folder."""
    return f"sqlite:///{data_folder() / 'aiops.db'}"


def _check_reach(url: str, settings: Settings) -> None:
    remote = [c.name for c in settings.clusters if not serves_this_machine_only(c.kind)]
    if is_sqlite(url) and remote:
        raise ConfigurationError(
            f"without it the store is SQLite, which cannot serve the remote cluster {remote[0]}",
            field="store",
            mend="Set store: postgresql+psycopg://user@host/database in aiops.yaml.",
        )


def _given_secret(settings: Settings, host_secret: str | None) -> str | None:
    configured = settings.server.token_secret
    if configured is not None:
        return configured.get_secret_value()
    from_environment = os.environ.get(SECRET_VARIABLE, "")
    if from_environment:
        if len(from_environment) < MINIMUM_CHARACTERS:
            raise ConfigurationError(
                f"is shorter than {MINIMUM_CHARACTERS} characters",
                field=SECRET_VARIABLE,
                mend="`aiops token secret` makes a good one.",
            )
        return from_environment
    if host_secret and _given_file() is None:
        return hmac.new(host_secret.encode(), b"aiops_provider tokens", hashlib.sha256).hexdigest()
    return None


def _given_file() -> Path | None:
    named = os.environ.get(SECRET_FILE_VARIABLE, "")
    return Path(named) if named else None


def _beside(url: str) -> Path | None:
    """Where the generated secret lies: beside an SQLite file, nowhere for another database."""
    if not is_sqlite(url):
        return None
    database = url.partition(":///")[2].partition("?")[0]
    if not database or database == ":memory:":
        return data_folder() / _SECRET_FILE
    return Path(database).absolute().with_name(_SECRET_FILE)
