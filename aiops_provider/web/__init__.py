"""
The API that workers report to and the page that people look at.

A door over control: it checks tokens, parses requests and shows what the store holds. It is served
by ``aiops server`` or mounted in a host's own server.
"""

from aiops_provider.web.app import create_app

__all__ = ["create_app"]
