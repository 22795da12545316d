"""
Price lists of Azure and Google Cloud over real HTTP, with the paging that their documentation says.

It proves requests, paging and what is made of the items; not that the clouds answer so.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import stamina

AZURE_PAGE = 2
GOOGLE_PAGE = 3


class PriceServer:
    """
    Answers as both clouds do.

    Attributes:
        meters: Of Azure.
        skus: Of Google Cloud.
        asked: Path and parameters of every request.
        failing: Numbers of requests, from 1, that are answered with that status instead.
    """

    def __init__(self) -> None:
        self.meters: list[dict[str, Any]] = []
        self.skus: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.failing: dict[int, int] = {}
        self.url = ""

    @property
    def azure_url(self) -> str:
        """Where Azure's list is."""
        return f"{self.url}/api/retail/prices"

    def answer(self, path: str, given: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        self.asked.append((path, given))
        status = self.failing.get(len(self.asked))
        if status is not None:
            return status, {}
        return 200, self._azure(given) if path.startswith("/api/retail") else self._google(given)

    @staticmethod
    def meter(name: str, usd: float, **given: Any) -> dict[str, Any]:
        """A meter of a plain Linux machine in westeurope."""
        return {
            "currencyCode": "USD", "retailPrice": usd, "unitPrice": usd, "armRegionName": "westeurope",
            "meterName": name.removeprefix("Standard_").replace("_", " "),
            "productName": "Virtual Machines DSv5 Series", "armSkuName": name,
            "serviceName": "Virtual Machines", "unitOfMeasure": "1 Hour", "type": "Consumption", **given,
        }  # fmt: skip

    @staticmethod
    def sku(description: str, usd: float, **given: Any) -> dict[str, Any]:
        """An entry of Compute Engine in europe-west4; usage and unit follow from the description."""
        unit = "GiBy.h" if " Ram " in description else "h"
        usage = "Preemptible" if description.startswith("Spot") else "OnDemand"
        usage = "Commit1Yr" if description.startswith("Commitment") else usage
        price = {"currencyCode": "USD", "units": str(int(usd)), "nanos": round(usd % 1 * 1e9)}
        rates = [{"startUsageAmount": 0, "unitPrice": price}]
        return {
            "description": description,
            "category": {"resourceFamily": "Compute", "usageType": usage},
            "serviceRegions": ["europe-west4"],
            "pricingInfo": [{"pricingExpression": {"usageUnit": unit, "tieredRates": rates}}],
            **given,
        }

    def _azure(self, given: dict[str, str]) -> dict[str, Any]:
        skip = int(given.get("$skip", 0))
        more = len(self.meters) > skip + AZURE_PAGE
        link = f"{self.azure_url}?$filter=as%20before&$skip={skip + AZURE_PAGE}"
        page = self.meters[skip : skip + AZURE_PAGE]
        return {"Items": page, "NextPageLink": link if more else None, "Count": len(page)}

    def _google(self, given: dict[str, str]) -> dict[str, Any]:
        skip = int(given.get("pageToken", "after-0").removeprefix("after-"))
        more = len(self.skus) > skip + GOOGLE_PAGE
        token = f"after-{skip + GOOGLE_PAGE}" if more else ""
        return {"skus": self.skus[skip : skip + GOOGLE_PAGE], "nextPageToken": token}


@contextmanager
def price_server() -> Iterator[PriceServer]:
    """A server on a free port of this machine."""
    served = PriceServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlparse(self.path)
            given = {key: values[0] for key, values in parse_qs(address.query).items()}
            status, body = served.answer(address.path, given)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def prices() -> Iterator[PriceServer]:
    """Price lists of Azure and Google Cloud on this machine; retries do not wait."""
    with price_server() as served, stamina.set_testing(True, attempts=4, cap=True):
        yield served
