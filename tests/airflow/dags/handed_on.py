"""Tasks whose input another task returned: as an argument, in a template, within a mapped group."""

import sys
import time
from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, task, task_group

MIB_PER_UNIT = 16
HOLD = f"import time; ballast = bytearray({{units}} * {MIB_PER_UNIT} * 2**20); time.sleep(3); del ballast"


def use(units: int) -> None:
    """As much memory as that many units of input need, for long enough to be measured."""
    ballast = bytearray(units * MIB_PER_UNIT * 2**20)
    time.sleep(3)
    del ballast


@dag(
    schedule=None,
    params={"units": 1},
    default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
)
def handed_on():
    """A run's parameter tells how much the first task returns."""

    @task
    def extract(params: dict) -> list[dict]:
        return [{"id": number} for number in range(params["units"])]

    @task
    def load(batch: list[dict]) -> None:
        use(len(batch))

    batch = extract()
    load(batch=batch)
    code = HOLD.format(units="{{ ti.xcom_pull(task_ids='extract') | length }}")
    pulled = BashOperator(task_id="pulled", bash_command=f'{sys.executable} -c "{code}"')
    batch >> pulled

    @task
    def prepare(name: str, ti=None) -> dict:
        return {"name": name, "rows": (1, 50)[ti.map_index]}

    @task
    def convert(prepared: dict) -> None:
        use(prepared["rows"])

    @task_group
    def of_name(name: str) -> None:
        convert(prepared=prepare(name))

    @task
    def hold(units: int) -> None:
        use(units)

    @task_group
    def of_number(number: int) -> None:
        hold(units=number)

    of_name.expand(name=["claims", "claims"])
    of_number.expand(number=[1, 50])


handed_on()
