"""What differs between the batch services, and an Airflow with two clusters of each."""

import base64
import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from aiops_provider.cli.demo.processes import free_port
from aiops_provider.clusters.registry import open_remote
from aiops_provider.clusters.remote_jobs import RemoteJobStage
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool

DAGS = Path(__file__).with_name("dags")
CLOUDS = Path(__file__).parents[2] / "clouds"
NAMES = ("netherlands", "brazil")
DAG_IDS = [
    "aiops_cluster_check",
    "everywhere",
    "again",
    "broken",
    "greedy",
    "scarce",
    "spot",
    "crash",
    "freeze",
    "stopped",
]
# Cheap in the Netherlands and dear in Brazil.
PRICES = {"netherlands": (0.1, 0.2), "brazil": (3.0, 4.0)}


class Cloud:
    """What differs from cloud to cloud; names are those of its two clusters."""

    kind = provider = sdk = ""
    regions: ClassVar[dict[str, str]]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.urls = {name: f"http://127.0.0.1:{free_port()}" for name in NAMES}

    @property
    def worker(self) -> dict[str, str]:
        """What machines call themselves, by name."""
        raise NotImplementedError

    @property
    def variables(self) -> dict[str, str]:
        """Environment of Airflow: the credentials."""
        raise NotImplementedError

    def command(self, name: str) -> list[str]:
        """Starts the stand-in."""
        raise NotImplementedError

    def options(self, name: str) -> dict:
        """Of the cluster."""
        raise NotImplementedError

    def secret(self, name: str) -> dict:
        """Credentials of the cluster."""
        raise NotImplementedError

    def dag_of(self, job: dict) -> str:
        """Of which DAG a job is."""
        raise NotImplementedError

    def memory(self, job: dict) -> int:
        """MiB that a job was given."""
        raise NotImplementedError

    def variables_of(self, job: dict) -> dict[str, str]:
        """Environment of a job."""
        raise NotImplementedError

    def machine(self, job: dict) -> str:
        """On what machines a job is."""
        raise NotImplementedError

    def limit(self, job: dict) -> str | None:
        """How long a job may run."""
        raise NotImplementedError

    def config(self) -> dict:
        """The contents of aiops.yaml."""
        return {
            "mode": "enforce",
            "fallback_cluster": "onprem",
            "clusters": [
                {
                    "name": "onprem",
                    "kind": "local",
                    "region": "no-oslo",
                    "capacity": {"cores": 4, "memory_gib": 4},
                    "price_usd_per_hour": 5.0,
                },
                *(self.cluster(name) for name in NAMES),
            ],
            "detection": {"period_s": 3600},
            "run_cycle": False,
            "routing": {"refresh_s": 0.5, "probe_period_s": 0.5, "probe_timeout_s": 1.5},
        }

    def cluster(self, name: str) -> dict:
        plain, large = PRICES[name]
        patience = {"pending_timeout_s": 4} if name == "netherlands" else {}
        return {
            "name": f"batch-{name}",
            "kind": self.kind,
            "provider": self.provider,
            "region": self.regions[name],
            "pools": [
                {
                    "name": "plain",
                    "machine": {"cores": 8, "memory_gib": 32},
                    "max_instances": 4,
                    "price_usd_per_hour": plain,
                    "purchase": "spot",
                },
                {
                    "name": "large",
                    "instance_type": "n2-highmem-8",
                    "machine": {"cores": 8, "memory_gib": 64},
                    "max_instances": 4,
                    "price_usd_per_hour": large,
                },
            ],
            "options": {
                "image": "registry.example/airflow:3",
                "poll_period_s": 0.5,
                **patience,
                **self.options(name),
            },
        }

    def all_jobs(self, name: str) -> list[dict]:
        """What a cluster was asked for, oldest first."""
        file = self.folder / f"{name}.asked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def jobs(self, name: str, dag_id: str) -> list[dict]:
        """What a cluster was asked for by a DAG, oldest first."""
        return [job for job in self.all_jobs(name) if self.dag_of(job) == dag_id]

    def is_over(self, name: str, job_id: str) -> bool:
        """Whether a job has ended, as the cloud says."""
        machine = Capacity(cores=8, memory_gib=32)
        pools = tuple(
            Pool(name=each, machine=machine, max_instances=1, price_usd_per_hour=None)
            for each in ("plain", "large")
        )
        spec = ClusterSpec(
            name=f"batch-{name}",
            kind=self.kind,
            provider=self.provider,
            region=self.regions[name],
            pools=pools,
            options={"image": "i", **self.options(name), "connection": None},
        )
        client = open_remote(spec, timeout_s=5, secret=self.secret(name))
        status = client.poll([job_id], within_s=5)[job_id]
        client.close()
        return status is not None and status.stage is RemoteJobStage.ENDED


class Google(Cloud):
    """One by the credentials around Airflow, the other by a connection."""

    kind, provider, sdk = "google_batch", "google_cloud", "google.cloud.batch_v1"
    regions: ClassVar = {"netherlands": "europe-west4", "brazil": "southamerica-east1"}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        sys.path.insert(0, str(CLOUDS))
        from google_key import write_key

        self.keys = {
            name: write_key(folder / f"{name}.json", f"{url}/token")
            for name, url in self.urls.items()
        }

    @property
    def worker(self):
        return {name: f"google-{region}" for name, region in self.regions.items()}

    @property
    def variables(self):
        extra = {"keyfile_dict": self.keys["brazil"].read_text()}
        connection = {"conn_type": "google_cloud_platform", "extra": extra}
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.keys["netherlands"]),
            "AIRFLOW_CONN_BRAZIL": json.dumps(connection),
        }

    def command(self, name):
        port, key = self.urls[name].rpartition(":")[2], str(self.keys[name])
        stock = ["--out-of-stock", "n2-highmem-8"] if name == "netherlands" else []
        script = str(CLOUDS / "google_batch_server.py")
        return [sys.executable, script, port, key, str(self.folder / f"{name}.asked"), *stock]

    def options(self, name):
        connection = {"connection": "brazil"} if name == "brazil" else {"labels": {"cost": "ml"}}
        url = self.urls[name]
        return {"project": "p", "endpoint": url, "logging_endpoint": url, **connection}

    def secret(self, name):
        return json.loads(self.keys[name].read_text())

    def dag_of(self, job):
        return job["job"]["labels"]["aiops-dag"]

    def memory(self, job):
        return int(self._task(job)["computeResource"]["memoryMib"])

    def variables_of(self, job):
        return self._task(job)["environment"]["variables"]

    def machine(self, job):
        return job["job"]["allocationPolicy"]["instances"][0]["policy"]["machineType"]

    def limit(self, job):
        return self._task(job).get("maxRunDuration")

    def _task(self, job):
        return job["job"]["taskGroups"][0]["taskSpec"]


class Azure(Cloud):
    """Both by the key of a connection."""

    kind, provider, sdk = "azure_batch", "azure", "azure.batch"
    regions: ClassVar = {"netherlands": "westeurope", "brazil": "brazilsouth"}
    key = base64.b64encode(b"a key that is no secret").decode()

    @property
    def worker(self):
        return dict.fromkeys(self.regions, "azure-plain")

    @property
    def variables(self):
        connections = {
            name: {"conn_type": "azure_batch", "login": name, "password": self.key}
            for name in NAMES
        }
        return {f"AIRFLOW_CONN_{n.upper()}": json.dumps(each) for n, each in connections.items()}

    def command(self, name):
        port, large = self.urls[name].rpartition(":")[2], 0 if name == "netherlands" else 4
        given = ["--account", f"{name}={self.key}", "--pool", "plain=64", "--pool", f"n2={large}"]
        script = str(CLOUDS / "azure_batch_server.py")
        return [sys.executable, script, port, str(self.folder / f"{name}.asked"), *given]

    def options(self, name):
        pools = {"plain": {"slots_per_node": 8}, "large": {"pool_id": "n2"}}
        return {"account_url": self.urls[name], "connection": name, "pools": pools}

    def secret(self, name):
        return {"name": name, "key": self.key}

    def dag_of(self, job):
        return job["task"]["displayName"].partition("/")[0]

    def memory(self, job):
        (option,) = [
            option
            for option in job["task"]["containerSettings"]["containerRunOptions"].split()
            if option.startswith("--memory=")
        ]
        return int(option.removeprefix("--memory=").removesuffix("m"))

    def variables_of(self, job):
        return {each["name"]: each["value"] for each in job["task"]["environmentSettings"]}

    def machine(self, job):
        return job["pool"]

    def limit(self, job):
        return job["task"]["constraints"].get("maxWallClockTime")


@pytest.fixture(scope="module", params=[Google, Azure], ids=["google", "azure"])
def cloud(request, tmp_path_factory):
    if (
        find_spec(request.param.sdk.partition(".")[0]) is None
        or find_spec(request.param.sdk) is None
    ):
        pytest.skip(f"{request.param.sdk} is not installed: these tests did NOT run")
    return request.param(tmp_path_factory.mktemp("cloud"))


@pytest.fixture(scope="module")
def metadata_url(cloud, postgres_server):
    """Each cloud has an Airflow of its own."""
    name = postgres_server.new_database()
    yield postgres_server.url(name).replace("postgresql://", "postgresql+psycopg://")
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def fleet(cloud, open_fleet):
    variables = {
        **cloud.variables,
        "CLOUD_PROVIDER": cloud.provider,
        # Jobs start `python`: that of the tests' own environment.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def beside(stage):
        for name in NAMES:
            stage.start_beside(name, cloud.command(name))

    dags = cloud.folder / "dags"
    shutil.copytree(DAGS, dags)
    (dags / "aiops.yaml").write_text(yaml.safe_dump(cloud.config()))
    with open_fleet(dags, DAG_IDS, variables=variables, beside=beside) as fleet:
        yield fleet
