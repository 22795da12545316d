"""
How much a served model is asked, and how fast it answers.

Middleware for the two ways in which Python serves HTTP. It counts in memory and reports once an
interval; a request waits for none of it, and never fails for it.
"""

from __future__ import annotations

from aiops_provider.telemetry.serving.asgi import AsgiTraffic
from aiops_provider.telemetry.serving.traffic import TrafficMeter
from aiops_provider.telemetry.serving.wsgi import WsgiTraffic

__all__ = ["AsgiTraffic", "TrafficMeter", "WsgiTraffic"]
