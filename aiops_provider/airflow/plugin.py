"""What Airflow loads by itself: the listener in every worker, the API in the API server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.lineage import HookLineageReader

from aiops_provider.airflow import asset_listener, listener
from aiops_provider.airflow.deadline import RuntimeQuantileDeadline
from aiops_provider.airflow.host import MOUNT_PATH, base_path, open_installation
from aiops_provider.airflow.operator_link import WhyThisClusterLink

_Message = MutableMapping[str, Any]
_Application = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]],
    Awaitable[None],
]


class LazyApplication:
    """
    The API, built at its first request.

    Every Airflow process loads every plugin; only the API server ever serves a request.
    """

    def __init__(self) -> None:
        self._application: _Application | None = None
        self._lock = threading.Lock()

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Serve one request."""
        application = self._application
        if application is None:
            # Imports and the store take a second: Airflow's own requests must not wait for them.
            application = await asyncio.to_thread(self._built)
        await application(scope, receive, send)

    def _built(self) -> _Application:
        with self._lock:
            if self._application is None:
                from aiops_provider.airflow.page_access import AirflowPageAccess
                from aiops_provider.web import create_app

                self._application = create_app(open_installation(), host_access=AirflowPageAccess())
            return self._application


class AiopsPlugin(AirflowPlugin):
    """Mounts API and page under ``/aiops``, shows the page in the navigation, listens to tasks."""

    name = "aiops"
    listeners: ClassVar[list[Any]] = [listener, asset_listener]
    # With any reader Airflow's SQL hooks note what they did; our listener looks at the notes.
    hook_lineage_readers: ClassVar[list[Any]] = [HookLineageReader]
    deadline_references: ClassVar[list[Any]] = [RuntimeQuantileDeadline]
    global_operator_extra_links: ClassVar[list[Any]] = [WhyThisClusterLink()]
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"app": LazyApplication(), "url_prefix": MOUNT_PATH, "name": "AIOps"}
    ]
    external_views: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "AIOps",
            "href": f"{base_path()}{MOUNT_PATH}/",
            "destination": "nav",
            "url_route": "aiops",
        }
    ]
