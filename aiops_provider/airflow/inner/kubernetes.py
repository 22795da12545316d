"""A ``kind: kubernetes`` cluster: Airflow's KubernetesExecutor with a context of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from aiops_provider.airflow.inner.binding import Shipment
from aiops_provider.airflow.inner.last_words import LastWords
from aiops_provider.airflow.inner.merging import merged, own_words
from aiops_provider.airflow.inner.pod_labels import labels_of
from aiops_provider.airflow.inner.stock_binding import StockBinding
from aiops_provider.airflow.inner.team_configuration import global_values
from aiops_provider.control import kubernetes_pods
from aiops_provider.control.manifests import manifest
from aiops_provider.control.pools import open_probe
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import Outcome
from aiops_provider.errors import ConfigurationError
from aiops_provider.telemetry.context import IMAGE_VARIABLE

_SECTION = "kubernetes_executor"
_DEFAULT_TEMPLATE = Path(__file__).with_name("kubernetes_pod.yaml")
# A call that takes longer makes its cluster late; the client's own limit is none at all.
_CONNECT_S, _READ_S = 2.0, 4.0
# One turn creates at most this many pods; it ends early at the first that gets no answer.
_PODS_PER_TURN = 16
# Refusals that pass by themselves: too many requests, an exceeded quota, a server error.
_TRANSIENT_REFUSALS = 3


class KubernetesBinding(StockBinding):
    """Makes and feeds the executor of one namespace of one Kubernetes cluster."""

    sections = (_SECTION,)

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__(spec)
        self._options = kubernetes_pods.options_of(spec)

    def settings(self) -> dict[str, dict[str, Any]]:
        """This cluster's namespace and template; where else a task can go is the router's to say."""
        own: dict[str, Any] = {
            "worker_pods_creation_batch_size": _PODS_PER_TURN,
            "task_publish_max_retries": _TRANSIENT_REFUSALS,
            "pod_launch_failure_retries": 0,
        }
        if self._options.namespace:
            own["namespace"] = self._options.namespace
        template = self._options.pod_template_file
        if template or not global_values(_SECTION).get("pod_template_file"):
            own["pod_template_file"] = template or str(_DEFAULT_TEMPLATE)
        return {_SECTION: own}

    def probe(self, timeout_s: float) -> Callable[[], None]:
        """In the namespace of Airflow's own configuration where the cluster names none."""
        spec = replace(self.spec, options={**self.spec.options, "namespace": self._namespace})
        return open_probe(spec, timeout_s=timeout_s)

    def build(self) -> Any:
        """Import the client and make the executor; on the thread that will use it."""
        with kubernetes_pods.LOADING:
            from aiops_provider.airflow.inner.kubernetes_executor import ClusterKubernetesExecutor

        return ClusterKubernetesExecutor(
            team_name=self.team,
            cluster=self.spec.name,
            connect=self._connect,
            pending_timeout_s=self._options.pending_timeout_s,
        )

    def prepare(self, shipment: Shipment) -> Any:
        """Everything into ``pod_override``: ours, the user's own on top, then who the pod is."""
        workload = shipment.workload
        if shipment.decision is None:
            return workload
        ti = workload.ti
        config = own_words(ti.executor_config)
        own = _as_manifest(config.get("pod_override"))
        pod = _over(self._ours(shipment), own)
        template = self._template(config)
        _keep_nodes(pod["spec"], template)
        self._tell_image(pod["spec"]["containers"][0], template)
        placement = shipment.decision.placement
        pool = placement.route.pool if placement.applied else None
        labels = labels_of(self.spec.name, ti, epoch=shipment.epoch, pool=pool)
        # A pod in another namespace would never be seen again, and one that is named twice refused.
        metadata = {k: v for k, v in pod["metadata"].items() if k not in {"namespace", "name"}}
        pod["metadata"] = merged(metadata, {"labels": labels})
        ti.executor_config = {**config, "pod_override": _as_pod(pod)}
        return workload

    def outcome(self, info: Any) -> Outcome:
        """As the pod's last state was judged."""
        return info.outcome if isinstance(info, LastWords) else Outcome.KILLED

    def task_log(self, ti: Any) -> tuple[list[str], list[str]]:
        """The last lines of the container's output, from the API server of the cluster."""
        from aiops_provider.airflow.inner.kubernetes_log import read_log

        return read_log(self._connect(), self.spec.name, self._namespace, ti, team=self.team)

    def end(self, inner: Any) -> None:
        """Pods go on without us; only the watch ends."""
        inner.end()

    @property
    def _namespace(self) -> str:
        from airflow.configuration import conf

        # Without the provider nothing is known of its section; the probe then says what is missing.
        return str(conf.get(_SECTION, "namespace", fallback="default", team_name=self.team))

    def _connect(self) -> Any:
        return kubernetes_pods.api_client(self.spec, connect_s=_CONNECT_S, read_s=_READ_S)

    def _template(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The ``spec`` of the pod on which that of a task is based; empty if it cannot be read."""
        from airflow.configuration import conf

        path = config.get("pod_template_file") or conf.get(
            _SECTION, "pod_template_file", fallback="", team_name=self.team
        )
        if not path or not Path(path).is_file():
            return {}  # Airflow's executor says so, and refuses the task
        with Path(path).open(encoding="utf-8") as file:
            return (yaml.safe_load(file) or {}).get("spec") or {}

    def _tell_image(self, container: dict[str, Any], template: Mapping[str, Any]) -> None:
        """Let the task know the image of its container, which nothing inside of it can tell."""
        from airflow.configuration import conf

        def configured(name: str) -> str:
            return str(conf.get(_SECTION, name, fallback="", team_name=self.team) or "")

        repository, tag = (configured(f"worker_container_{part}") for part in ("repository", "tag"))
        (based_on, *_) = template.get("containers") or [{}]
        # In the order in which Airflow's executor chooses.
        image = container.get("image") or (repository and f"{repository}:{tag}")
        image = image or based_on.get("image")
        variables = container.setdefault("env", [])
        if image and all(each.get("name") != IMAGE_VARIABLE for each in variables):
            variables.append({"name": IMAGE_VARIABLE, "value": image})

    def _ours(self, shipment: Shipment) -> dict[str, Any]:
        options = self._options
        container: dict[str, Any] = {"name": kubernetes_pods.CONTAINER}
        if options.image:
            container["image"] = options.image
        environment = {**options.environment, **shipment.environment}
        container["env"] = [{"name": k, "value": v} for k, v in environment.items()]
        pod = {"metadata": {"labels": dict(options.labels)}, "spec": {"containers": [container]}}
        decision = shipment.decision
        # While only observing, a task gets what it would have got without us.
        if decision is None or not decision.placement.applied:
            return pod
        granted = manifest(self.spec, decision.grant, pool=decision.placement.route.pool)
        return merged(pod, granted)


def _over(ours: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The user's pod over ours; Airflow's executor knows containers by their place, not their name."""
    (container,) = ours["spec"]["containers"]
    theirs = ((own.get("spec") or {}).get("containers") or [{}])[0]
    container = {**container, "name": theirs.get("name", container["name"])}
    if container.get("resources"):
        container["resources"] = kubernetes_pods.without_contradiction(
            container["resources"], theirs.get("resources") or {}
        )
    pod = merged({**ours, "spec": {**ours["spec"], "containers": [container]}}, own)
    # Tolerations only ever permit: none takes the place of another, also not under the same key.
    tolerations = _both(ours["spec"].get("tolerations"), (own.get("spec") or {}).get("tolerations"))
    if tolerations:
        pod["spec"]["tolerations"] = tolerations
    return pod


def _keep_nodes(spec: dict[str, Any], template: Mapping[str, Any]) -> None:
    """
    Add what the template says about nodes, where we or the user say something too.

    Airflow puts the whole selector and all tolerations of a task in the place of the template's.
    """
    if spec.get("nodeSelector"):
        spec["nodeSelector"] = {**(template.get("nodeSelector") or {}), **spec["nodeSelector"]}
    if spec.get("tolerations"):
        spec["tolerations"] = _both(template.get("tolerations"), spec["tolerations"])


def _both(one: list[Any] | None, other: list[Any] | None) -> list[Any]:
    first = list(one or ())
    return first + [each for each in other or () if each not in first]


def _as_manifest(pod_override: Any) -> dict[str, Any]:
    """The user's ``pod_override`` as the API has it."""
    from kubernetes.client import ApiClient, Configuration, V1Pod

    if pod_override is None:
        return {}
    if isinstance(pod_override, V1Pod):
        plain: Any = ApiClient(Configuration()).sanitize_for_serialization(pod_override)
        return dict(plain)
    if isinstance(pod_override, Mapping):
        return dict(pod_override)
    raise ConfigurationError(
        "is neither a V1Pod nor a mapping",
        field="executor_config.pod_override",
        value=pod_override,
        mend="Make it a kubernetes.client.models.V1Pod",
    )


def _as_pod(manifest_: Mapping[str, Any]) -> Any:
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    pod = PodGenerator.deserialize_model_dict(manifest_)
    pod.__class__ = _quiet_pod()
    return pod


@cache
def _quiet_pod() -> Any:
    from kubernetes.client import V1Pod

    class QuietPod(V1Pod):
        """Keeps what it tells its container out of logs: Airflow writes whole workloads there."""

        def __repr__(self) -> str:
            return "V1Pod(…)"

    return QuietPod
