"""Airflow's own database commands, in a process of their own, on both kinds of databases."""

import json
import os
import subprocess
import sys

import pytest

from aiops_provider.store.schema import head
from aiops_provider.store.tables import metadata

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

# Several commands in one process, each as `airflow` would run it: every start of Airflow takes seconds.
COMMANDS = """
import contextlib, io, json, sys

from airflow.cli import cli_parser
from sqlalchemy import create_engine, inspect, text

def look():
    engine = create_engine(sys.argv[1])
    names = set(inspect(engine).get_table_names())
    seen = {"ours": sorted(n for n in names if n.startswith("aiops_")), "airflow": "dag_run" in names}
    for name in ("aiops_alembic_version", "alembic_version"):
        if name in names:
            with engine.connect() as connection:
                rows = connection.execute(text("SELECT version_num FROM " + name))
                seen[name] = [row[0] for row in rows]
    if "aiops_lease" in names:
        with engine.connect() as connection:
            seen["leases"] = connection.execute(text("SELECT count(*) FROM aiops_lease")).scalar()
    engine.dispose()
    return seen

def execute(statement):
    engine = create_engine(sys.argv[1])
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()

told = []
for step in json.loads(sys.argv[2]):
    status = 0
    if isinstance(step, str):
        execute(step)
    else:
        arguments = cli_parser.get_parser().parse_args(step)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                arguments.func(arguments)
        except (SystemExit, Exception) as error:
            status = f"{type(error).__name__}: {error}"
    told.append({"status": status, **look()})
print("told:" + json.dumps(told))
"""
MIGRATE = ["db", "migrate"]
CHECK = ["db", "check-migrations", "--migration-wait-timeout", "1"]


def run(url: str, home, *steps, **variables: str) -> list[dict]:
    """What each step left, in its order: a command of Airflow, or a statement of SQL."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW_", "AIOPS_"))},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **({"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url} if "postgresql" in url else {}),
        **variables,
    }
    answer = subprocess.run(
        [sys.executable, "-c", COMMANDS, url, json.dumps(steps)],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in answer.stdout.splitlines() if line.startswith("told:")]
    assert lines, answer.stderr[-3000:]
    told: list[dict] = json.loads(lines[0].removeprefix("told:"))
    return told


def test_migrate_check_and_reset(empty_url, tmp_path):
    """Our tables come, are looked at, are dropped and come back with Airflow's own."""
    url = empty_url.replace("postgresql://", "postgresql+psycopg://")
    migrated, again, checked, old, refused, reset, emptied = run(
        url,
        tmp_path,
        MIGRATE,
        MIGRATE,
        CHECK,
        "UPDATE aiops_alembic_version SET version_num = 'of another package'",
        CHECK,
        ["db", "reset", "-y"],
        ["db", "reset", "-y", "--skip-init"],
    )
    ours = sorted([*metadata.tables, "aiops_alembic_version"])
    for state in (migrated, again, checked, reset):
        assert (0, ours, [head()]) == (
            state["status"],
            state["ours"],
            state["aiops_alembic_version"],
        )
        assert state["airflow"]
        assert state["alembic_version"] != [head()]
    assert ["of another package"] == old["aiops_alembic_version"]
    assert "TimeoutError: There are still unapplied migrations" in refused["status"]
    assert (0, [], False) == (emptied["status"], emptied["ours"], emptied["airflow"])


def test_a_store_of_its_own_is_migrated_there_and_never_dropped(tmp_path):
    """Airflow's database stays without our tables."""
    store = tmp_path / "elsewhere" / "aiops.db"
    config = tmp_path / "aiops.yaml"
    config.write_text(f"store: sqlite:///{store}\n")
    migrated, checked, emptied = run(
        f"sqlite:///{tmp_path / 'airflow.db'}",
        tmp_path,
        MIGRATE,
        CHECK,
        ["db", "reset", "-y", "--skip-init"],
        AIOPS_CONFIG=str(config),
    )
    assert [(0, []), (0, []), (0, [])] == [
        (state["status"], state["ours"]) for state in (migrated, checked, emptied)
    ]
    from aiops_provider.store import Store

    Store.open(f"sqlite:///{store}").check()
