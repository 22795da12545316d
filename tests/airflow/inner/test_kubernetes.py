"""The executor of a Kubernetes cluster: the stock one, the genuine client, pods that are processes."""

import json
import sys
import threading
import time
from types import SimpleNamespace
from uuid import uuid4

import psutil
import pytest

pytest.importorskip(
    "airflow.providers.cncf.kubernetes", reason="the extra airflow-kubernetes is not installed"
)

from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO
from airflow.utils.state import TaskInstanceState
from kubernetes.client import (
    V1Container,
    V1ObjectMeta,
    V1Pod,
    V1PodSpec,
    V1ResourceRequirements,
    V1Toleration,
)
from sqlalchemy import create_engine, delete, insert, update
from sqlalchemy.orm import scoped_session, sessionmaker

from aiops_provider.airflow.inner.binding import Shipment
from aiops_provider.airflow.inner.cluster import Accepted, Ended, NotAdopted, Orphan, Refused
from aiops_provider.airflow.inner.driver import InnerDriver
from aiops_provider.airflow.inner.kubernetes import KubernetesBinding
from aiops_provider.airflow.inner.kubernetes_watch import WatchThread
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.plan import Mode
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now

pytestmark = pytest.mark.filterwarnings("default")  # the provider's own deprecations

JOB = 7
TAINTS = [("a", "NoSchedule"), ("b", "NoSchedule"), ("b", "NoExecute")]


@pytest.fixture(scope="module")
def instances(tmp_path_factory):
    """Airflow's table of task instances, in a file of its own."""
    from airflow import models, settings
    from airflow.models.base import Base
    from airflow.models.taskinstance import TaskInstance

    models.import_all_models()
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('airflow') / 'metadata.db'}")
    Base.metadata.create_all(engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "Session", scoped_session(sessionmaker(engine)))
        patch.setattr(settings, "NonScopedSession", sessionmaker(engine))
        yield TaskInstance.__table__
        settings.Session.remove()
    engine.dispose()


class Site:
    """One cluster as its runner drives it, on this thread."""

    def __init__(self, server, instances, name="eks", job=JOB, **options) -> None:
        pool = Pool(
            name="default",
            machine=Capacity(cores=4, memory_gib=8),
            max_instances=1,
            price_usd_per_hour=1.0,
        )
        given = {"kubeconfig": str(server.kubeconfig), "image": "airflow:3", **options}
        self.spec = ClusterSpec(
            name=name, kind="kubernetes", provider="aws", region="r", pools=(pool,), options=given
        )
        self.api, self.instances, self.news = server.api(), instances, []
        self.binding = KubernetesBinding(self.spec)
        self.binding.configure()
        self.driver = InnerDriver(self.binding, lambda inner: setattr(inner, "job_id", job))

    def workload(self, task_id: str, script: str, *, try_number=1, **container) -> ExecuteTask:
        """A queued task whose pod runs a shell script instead of Airflow."""
        spec = V1PodSpec(
            containers=[V1Container(name="base", command=["sh", "-c", script], **container)]
        )
        ti = TaskInstanceDTO(
            id=uuid4(),
            dag_version_id=uuid4(),
            task_id=task_id,
            dag_id="medical",
            run_id="r1",
            try_number=try_number,
            map_index=-1,
            pool_slots=1,
            queue="default",
            priority_weight=1,
            executor_config={"pod_override": V1Pod(spec=spec)},
        )
        self.store(ti)
        return ExecuteTask(
            ti=ti,
            dag_rel_path="medical.py",
            token="t",
            bundle_info=BundleInfo(name="dags-folder"),
            log_path=None,
        )

    def store(self, ti) -> None:
        from airflow.utils.session import create_session

        same = self.instances.c.task_id == ti.task_id
        with create_session() as session:
            session.execute(delete(self.instances).where(same))
            session.execute(
                insert(self.instances).values(
                    id=ti.id,
                    dag_id=ti.dag_id,
                    task_id=ti.task_id,
                    run_id=ti.run_id,
                    map_index=-1,
                    state="queued",
                    try_number=ti.try_number,
                    max_tries=3,
                    pool="default_pool",
                    pool_slots=1,
                    queued_by_job_id=JOB,
                )
            )

    def begins(self, workload) -> None:
        """What the task's own process tells Airflow when it starts."""
        from airflow.utils.session import create_session

        with create_session() as session:
            same = self.instances.c.id == workload.ti.id
            session.execute(update(self.instances).where(same).values(state="running"))

    def send(self, workload, *, epoch=1, cores=1.0, memory_gib=1.0, applied=True):
        ti = workload.ti
        run = TaskRun(TaskKey(ti.dag_id, ti.task_id), ti.run_id, try_number=ti.try_number)
        placement = SimpleNamespace(
            epoch=epoch,
            run=run,
            applied=applied,
            placed_at=utc_now(),
            mode=Mode.ENFORCE,
            route=SimpleNamespace(pool="default"),
        )
        decision = SimpleNamespace(
            placement=placement,
            cluster=self.spec,
            grant=ResourceRequest(cores=cores, memory_gib=memory_gib),
        )
        shipment = Shipment(
            workload=workload, decision=decision, environment={"AIOPS_CLUSTER": self.spec.name}
        )
        self.news += self.driver.send({ti.key: shipment}, lambda key, epoch: False)
        self.beat()
        return ti

    def beat(self) -> None:
        self.news += self.driver.beat()

    def pods(self, **labels):
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return self.api.list_namespaced_pod("default", label_selector=selector).items

    def eventually(self, condition, timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"it never happened: {self.news}"
            self.beat()
            time.sleep(0.05)
        return found

    def heard(self, kind):
        return [each for each in self.news if isinstance(each, kind)]

    def runs(self) -> bool:
        return any(pod.status.phase == "Running" for pod in self.pods())


@pytest.fixture
def open_site(kubernetes, instances):
    """Opens a cluster: ``open_site(name, **options)``."""
    opened = []

    def open_one(name="eks", **options):
        opened.append(Site(kubernetes, instances, name, **options))
        return opened[-1]

    yield open_one
    for site in opened:
        site.driver.end()


@pytest.fixture
def site(open_site):
    return open_site()


def test_a_pod_asks_for_what_was_granted_and_says_who_it_is(site):
    """Requests, limits and labels; and the task knows where it is."""
    ti = site.send(site.workload("train", "sleep 60"), cores=1.5, memory_gib=2.5, epoch=3)
    (pod,) = site.pods()
    (container,) = pod.spec.containers
    granted = {"cpu": "1500m", "memory": "2560Mi"}
    assert (granted, granted) == (container.resources.requests, container.resources.limits)
    assert "airflow:3" == container.image
    told = {each.name: each.value for each in container.env}
    assert ("eks", "airflow:3") == (told["AIOPS_CLUSTER"], told["AIOPS_IMAGE"])
    labels = {"dag_id": "medical", "task_id": "train", "run_id": "r1", "try_number": "1"}
    labels |= {"aiops_cluster": "eks", "aiops_ti_id": str(ti.id), "aiops_epoch": "3"}
    assert labels.items() <= pod.metadata.labels.items()
    assert [TaskInstanceState.QUEUED] == [each.state for each in site.heard(Accepted)]


def test_the_users_own_pod_wins(site):
    """Entry by entry; of a resource that the user limits, we request nothing ourselves."""
    own = V1ResourceRequirements(limits={"memory": "512Mi"})
    workload = site.workload("own", "sleep 60", resources=own, image="mine:1")
    workload.ti.executor_config["pod_override"].metadata = V1ObjectMeta(
        labels={"cost_centre": "42", "aiops_cluster": "elsewhere"}, namespace="hidden"
    )
    site.send(workload)
    (pod,) = site.pods()
    (container,) = pod.spec.containers
    assert {"cpu": "1000m", "memory": "512Mi"} == container.resources.limits
    assert {"cpu": "1000m", "memory": "512Mi"} == container.resources.requests
    assert "mine:1" == container.image
    assert ("42", "eks") == (
        pod.metadata.labels["cost_centre"],
        pod.metadata.labels["aiops_cluster"],
    )


def test_what_a_template_says_about_nodes_is_kept(kubernetes, instances, tmp_path):
    """Airflow would put ours in its place, and one toleration in that of another."""
    tolerated = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in TAINTS]
    base = {"nodeSelector": {"os": "linux"}, "tolerations": tolerated[:1]}
    template = {"kind": "Pod", "spec": {**base, "containers": [{"name": "base"}]}}
    file = tmp_path / "pod.yaml"
    file.write_text(json.dumps(template))
    pools = {"default": {"node_selector": {"kind": "spot"}, "tolerations": tolerated[1:2]}}
    site = Site(kubernetes, instances, "based", pod_template_file=str(file), pools=pools)
    workload = site.workload("based", "true")
    own = [V1Toleration(**each) for each in tolerated[2:]]
    workload.ti.executor_config["pod_override"].spec.tolerations = own
    site.send(workload)
    (pod,) = site.pods()
    site.driver.end()
    assert {"os": "linux", "kind": "spot"} == pod.spec.node_selector
    assert TAINTS == [(each.key, each.effect) for each in pod.spec.tolerations]


def test_while_only_observing_a_pod_asks_for_nothing(site):
    """It gets what it would have got without us."""
    site.send(site.workload("observed", "true"), applied=False)
    (pod,) = site.pods()
    assert not (pod.spec.containers[0].resources and pod.spec.containers[0].resources.requests)


def test_a_task_that_ends_is_reported_and_its_pod_is_gone(site):
    """By the watch; the state is Airflow's own business."""
    site.send(site.workload("good", "true"))
    (ended,) = site.eventually(lambda: site.heard(Ended))
    assert ended.clean
    site.eventually(lambda: not site.pods())


def test_a_container_that_exceeds_its_memory_is_out_of_memory(site):
    """The kubelet ends all of it and says OOMKilled."""
    script = f"exec {sys.executable} -c 'import time; x = bytearray(300_000_000); time.sleep(60)'"
    workload = site.workload("greedy", script)
    site.send(workload, memory_gib=0.2)
    site.begins(workload)
    (ended,) = site.eventually(lambda: site.heard(Ended))
    assert (False, Outcome.OUT_OF_MEMORY, 137) == (
        ended.clean,
        ended.record.outcome,
        ended.record.exit_code,
    )
    assert "OOMKilled, exit code 137" in ended.message


def test_a_failure_says_why(site):
    """In the words of the cluster, and the pod is kept for whoever wants to look."""
    workload = site.workload("bad", "sleep 1; exit 3")
    site.send(workload)
    site.begins(workload)
    (ended,) = site.eventually(lambda: site.heard(Ended))
    assert (Outcome.KILLED, True) == (ended.record.outcome, "Error, exit code 3" in ended.message)
    site.eventually(lambda: "airflow_executor_done" in site.pods()[0].metadata.labels)


def test_a_pod_that_fails_before_its_task_began_is_a_matter_of_place(site):
    """The task can run elsewhere as if nothing had been."""
    site.send(site.workload("never", "exit 1"))
    (refused,) = site.eventually(lambda: site.heard(Refused))
    assert "Error, exit code 1" in refused.reason


def test_a_lost_node_is_a_lost_place(site):
    """The record says nothing about the task."""
    workload = site.workload("lost", "sleep 60")
    site.send(workload)
    site.begins(workload)
    site.eventually(site.runs)
    site.api.delete_node("node-1")
    (ended,) = site.eventually(lambda: site.heard(Ended))
    assert Outcome.CLUSTER_LOST is ended.record.outcome
    assert "node no longer exists" in ended.message


def test_a_pod_that_finds_no_room_goes_elsewhere_after_a_while(open_site, monkeypatch):
    """With the words of the cluster's scheduler; nothing of it stays behind."""
    site = open_site(pending_timeout_s=0.5)
    monkeypatch.setattr("aiops_provider.airflow.inner.kubernetes_executor._STOCKTAKING_S", 0.2)
    site.send(site.workload("big", "true"), cores=64)
    (refused,) = site.eventually(lambda: site.heard(Refused))
    assert "has not started within 0.5 s" in refused.reason
    assert "Insufficient cpu" in refused.reason
    site.eventually(lambda: not site.pods())


def test_an_image_that_cannot_be_pulled_is_a_matter_of_place(open_site):
    """At once; Airflow knows the reasons that do not pass."""
    site = open_site(image="missing/airflow:1")
    site.send(site.workload("pulled", "true"))
    (refused,) = site.eventually(lambda: site.heard(Refused))
    assert "container base waits: ErrImagePull" in refused.reason


def test_a_pod_that_vanishes_while_nobody_watches_is_missed(site, monkeypatch):
    """No event ever tells of it."""
    monkeypatch.setattr("aiops_provider.airflow.inner.kubernetes_executor._STOCKTAKING_S", 0.1)
    site.driver.end()
    time.sleep(0.2)
    monkeypatch.setattr(
        "aiops_provider.airflow.inner.kubernetes_watch.PodWatch.put", lambda *_: None
    )
    site.send(site.workload("vanished", "sleep 60"))
    site.eventually(site.runs)
    site.api.delete_namespaced_pod(site.pods()[0].metadata.name, "default", grace_period_seconds=0)
    (refused,) = site.eventually(lambda: site.heard(Refused))
    assert "it has vanished" in refused.reason


def test_what_is_refused_by_the_cluster_is_refused_with_its_words(site):
    """At once if it will not pass."""
    workload = site.workload("wrong", "true")
    workload.ti.executor_config["pod_override"].metadata = V1ObjectMeta(labels={"bad": "a b"})
    site.send(workload)
    (refused,) = site.heard(Refused)
    assert "422" in refused.reason
    assert "Invalid value: bad='a b'" in refused.reason


def test_an_exceeded_quota_is_waited_for_and_then_refused(site):
    """Three turns; then the router knows where else the task can go."""
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "0"}}}
    site.api.create_namespaced_resource_quota("default", quota)
    site.send(site.workload("many", "true"))
    assert not site.heard(Refused)
    for _ in range(3):
        site.beat()
    (refused,) = site.heard(Refused)
    assert "exceeded quota" in refused.reason


def test_a_pod_that_is_revoked_is_deleted_and_nothing_more_is_heard_of_it(site):
    """Also if it ends in the meantime."""
    ti = site.send(site.workload("revoked", "sleep 60"), epoch=2)
    site.eventually(site.runs)
    site.driver.revoke(ti.key, 2)
    site.eventually(lambda: not site.pods())
    assert [] == site.heard(Ended) + site.heard(Refused)


def test_the_end_of_an_earlier_placement_is_not_taken_for_that_of_the_new_one(site):
    """Nobody knew whether its pod had been created; it had."""
    script = "sleep 2; exit 1"
    old = site.workload("twice", script)
    sent = site.driver._inner
    created = sent.kube_scheduler.run_next

    def unheard(job):
        created(job)
        raise ConnectionError("no answer")

    sent.kube_scheduler.run_next = unheard
    site.send(old)
    (refused,) = site.heard(Refused)
    assert "no answer" in refused.reason
    sent.kube_scheduler.run_next = created
    new = site.workload("twice", "sleep 60")
    site.send(new, epoch=2)
    site.eventually(lambda: not site.pods(aiops_epoch="1"))
    assert 1 == len(site.pods(aiops_epoch="2"))
    assert [] == site.heard(Ended)
    assert 1 == len(site.heard(Refused))


def orphan(ti, run_id="r1", epoch=1) -> Orphan:
    copy = SimpleNamespace(
        id=ti.id,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=run_id,
        map_index=-1,
        try_number=ti.try_number,
        state="running",
        queued_by_job_id=JOB,
        external_executor_id=None,
        executor_config=None,
        key=ti.key,
    )
    run = TaskRun(TaskKey(ti.dag_id, ti.task_id), run_id, try_number=ti.try_number)
    return Orphan(ti=copy, run=run, epoch=epoch)


def test_two_clusters_in_one_namespace_leave_each_others_pods_alone(
    open_site, kubernetes, instances
):
    """An heir asks each of them only for its own, although they have the scheduler in common."""
    one, other = open_site("one"), open_site("other")
    here = one.send(one.workload("here", "sleep 3"))
    there = other.send(other.workload("there", "sleep 3"))
    one.eventually(lambda: 2 == sum(p.status.phase == "Running" for p in one.pods()))
    heir = open_site("one", job=JOB + 1)
    news = list(heir.driver.adopt([orphan(here), orphan(there)]))
    assert [there.key] == [each.key for each in news if isinstance(each, NotAdopted)]
    owners = {
        p.metadata.labels["task_id"]: p.metadata.labels["airflow-worker"] for p in heir.pods()
    }
    assert {"here": str(JOB + 1), "there": str(JOB)} == owners
    (ended,) = heir.eventually(lambda: heir.heard(Ended))
    assert here.key == ended.key
    (ended,) = other.eventually(lambda: other.heard(Ended))
    assert there.key == ended.key


def test_the_pod_of_an_earlier_placement_is_not_adopted(site, open_site):
    """The task went back to the scheduler and has another id since."""
    ti = site.send(site.workload("stale", "sleep 60"))
    site.eventually(site.runs)
    heir = open_site(job=JOB + 1)
    again = SimpleNamespace(**{**vars(orphan(ti).ti), "id": uuid4()})
    news = list(heir.driver.adopt([Orphan(ti=again, run=orphan(ti).run, epoch=2)]))
    assert [ti.key] == [each.key for each in news]


def test_a_frozen_api_server_ends_a_turn_after_one_time_limit(site, kubernetes, monkeypatch):
    """However many pods wait to be created."""
    monkeypatch.setattr("aiops_provider.airflow.inner.kubernetes._READ_S", 0.5)
    frozen = Site(kubernetes, site.instances, "frozen")
    frozen.beat()
    workloads = [frozen.workload(f"cold{index}", "true") for index in range(8)]
    calls = []
    create = frozen.driver._inner.kube_scheduler.run_next
    frozen.driver._inner.kube_scheduler.run_next = lambda job: calls.append(job) or create(job)
    kubernetes.freeze()
    try:
        for workload in workloads[:-1]:
            frozen.driver._inner.queue_workload(workload, None)
        frozen.send(workloads[-1])
        assert 1 == len(calls)
    finally:
        kubernetes.thaw()
        frozen.driver.end()


def test_a_watch_goes_on_after_its_version_is_gone(site):
    """From what there is; the server has forgotten what happened since."""
    compact = {"response_types_map": {}, "auth_settings": ["BearerToken"]}
    site.api.api_client.call_api("/stand-in/compact", "POST", **compact)
    inner = site.driver._inner
    (stock,) = inner.kube_scheduler.kube_watchers.values()
    stock.terminate()
    versions, asked = ["1"], []

    def watch(client, version):
        asked.append(versions.pop() if versions else version)
        return stock._watch.watch(client, asked[-1])

    thread = WatchThread(SimpleNamespace(watch=watch), inner._connect, name="again")
    inner.kube_scheduler.kube_watchers["default"] = thread
    thread.start()
    site.eventually(lambda: asked[:2] == ["1", "0"])
    site.send(site.workload("later", "true"))
    site.eventually(lambda: site.heard(Ended))


def test_no_token_is_written_to_the_schedulers_log(site, capsys):
    """Airflow writes down the whole workload, and at DEBUG the whole pod."""
    environment = {"AIOPS_TOKEN": "eyJsecret"}
    workload = site.workload("secretive", "true")
    decision = SimpleNamespace(placement=SimpleNamespace(epoch=1, applied=False))
    prepared = site.binding.prepare(
        Shipment(workload=workload, decision=decision, environment=environment)
    )
    assert "secretive" in repr(prepared)
    assert "eyJsecret" not in f"{prepared!r} {prepared.ti.executor_config}"
    site.driver._inner.queue_workload(prepared, None)
    site.beat()
    assert "eyJsecret" in str(site.pods()[0].spec.containers[0].env)
    assert "eyJsecret" not in "".join(capsys.readouterr())


def test_nothing_runs_beside_the_scheduler(site):
    """No process is forked that could outlive it, and threads end with it."""
    site.send(site.workload("alone", "true"))
    mine = psutil.Process()
    assert [] == [each for each in mine.children() if "server.py" not in " ".join(each.cmdline())]
    watches = [each for each in threading.enumerate() if each.name == "aiops watch eks"]
    assert watches
    assert all(each.daemon for each in watches)


def test_the_log_of_a_running_pod_is_read_from_its_cluster(site):
    """Its last lines, without colours; and why there is none."""
    workload = site.workload("talks", "echo one; printf '\\033[31mtwo\\033[0m\\n'; sleep 60")
    ti = site.send(workload)
    sources, texts = site.eventually(
        lambda: found if (found := site.binding.task_log(ti))[1] else None
    )
    assert ["one\ntwo\n"] == texts
    assert "eks: pod default/" in sources[0]
    sources, texts = site.binding.task_log(SimpleNamespace(id=uuid4()))
    assert ([], True) == (texts, "there is no pod" in sources[0])


def test_the_stock_launcher_has_no_attribute_that_ours_has_not(site):
    """Its initialiser is not called; what a new version adds there has to be added here."""
    import ast
    import inspect
    import textwrap

    from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_utils import (
        AirflowKubernetesScheduler,
    )

    source = textwrap.dedent(inspect.getsource(AirflowKubernetesScheduler.__init__))
    stock = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    assert stock
    assert stock <= vars(site.driver._inner.kube_scheduler).keys()
