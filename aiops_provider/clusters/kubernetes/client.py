"""A client of one cluster's API server: credentials of its own, and patience of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from aiops_provider.clusters.kubernetes.options import KubernetesOptions

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

LOADING = threading.RLock()
"""Held while the client library is imported: its modules import each other, which two threads at once
do not survive."""

Patience = tuple[float, float]
"""Seconds that connecting, and waiting for the next bytes of an answer, may take."""


def open_client(options: KubernetesOptions, patience: Patience) -> ApiClient:
    """
    A client that shares nothing with those of other clusters; reads files, connects to nothing.

    Args:
        options: Where the credentials are.
        patience: For calls that say nothing else. The client's own default is to wait for ever.

    Raises:
        kubernetes.config.ConfigException: The kubeconfig or the context cannot be used.
        OSError: The kubeconfig cannot be read.
    """
    with LOADING:
        from kubernetes import client, config

    class PatientClient(client.ApiClient):  # type: ignore[misc]
        """Applies the patience of its cluster; generated methods pass an explicit None."""

        def call_api(self, *arguments: Any, **named: Any) -> Any:
            if named.get("_request_timeout") is None:
                named["_request_timeout"] = patience
            return super().call_api(*arguments, **named)

    configuration = client.Configuration()
    if options.in_cluster:
        config.load_incluster_config(client_configuration=configuration)
    else:
        config.load_kube_config(
            config_file=options.kubeconfig,
            context=options.context,
            client_configuration=configuration,
            persist_config=False,
        )
    # Trying again is the router's; and the errors stay those of the connection.
    configuration.retries = False
    return PatientClient(configuration)
