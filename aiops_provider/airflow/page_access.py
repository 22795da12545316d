"""Airflow's own sign-in and permissions, for the page in its navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from fastapi import Request


class AirflowPageAccess:
    """
    Lets in whoever is signed in to Airflow and may see its cluster activity.

    That permission is the one that Airflow's own dashboard asks for: like that, the page shows what
    all DAGs do, and nothing of what they process.
    """

    async def may_read(self, request: Request) -> bool | None:
        """Whether the person whose session cookie this is may see the page; ``None``: no session."""
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
        from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
        from jwt import InvalidTokenError

        cookie = request.cookies.get(COOKIE_NAME_JWT_TOKEN)
        if not cookie:
            return None
        manager = get_auth_manager()
        try:
            user = await manager.get_user_from_token(cookie)
        except InvalidTokenError:
            return None
        return bool(manager.is_authorized_view(access_view=AccessView.CLUSTER_ACTIVITY, user=user))

    def sign_in_url(self, request: Request) -> str:
        """Airflow's sign-in, whatever its auth manager; it leads back to the page."""
        from aiops_provider.airflow.host import MOUNT_PATH, base_path

        query = f"?{request.url.query}" if request.url.query else ""
        back = urlencode({"next": f"{base_path()}{MOUNT_PATH}/{query}"})
        return f"{base_path()}/api/v2/auth/login?{back}"
