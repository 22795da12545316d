"""
The DAGs that ship with Airflow end under our executor as they end under LocalExecutor.

Not in the default run: ``tox -e airflow-examples``. The table is printed.
"""

from __future__ import annotations

from collections import Counter

import pytest

from aiops_provider.cli.demo.airflow_stage import AIOPS_EXECUTOR, LOCAL_EXECUTOR

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # Airflow's own processes are not ours to clean of warnings.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def both(ends_of, left_out):
    """Both executors, one after the other, and the table of what came out."""
    stock, ours = ends_of(LOCAL_EXECUTOR), ends_of(AIOPS_EXECUTOR)
    print("\n\n" + table(stock, ours, left_out))  # noqa: T201 - the table is what tox shows
    return stock, ours


def table(stock, ours, left_out):
    """What ran and how it ended under each, then what was left out."""
    lines = [
        f"LocalExecutor {stock.seconds:.0f} s, AiopsExecutor {ours.seconds:.0f} s",
        "",
        "| DAG | LocalExecutor | AiopsExecutor | same |",
        "| --- | --- | --- | --- |",
    ]
    for dag_id in sorted(set(stock.followed) | set(ours.followed)):
        same = "yes" if ended(stock, dag_id) == ended(ours, dag_id) else "**no**"
        lines.append(f"| {dag_id} | {shown(stock, dag_id)} | {shown(ours, dag_id)} | {same} |")
    lines += ["", "Left out:", ""]
    lines += [f"- {dag_id}: {left_out[dag_id]}" for dag_id in sorted(stock.paused | ours.paused)]
    return "\n".join(lines)


def ended(ends, dag_id):
    """What is compared."""
    return ends.triggered.get(dag_id), ends.followed.get(dag_id)


def shown(ends, dag_id):
    """As a cell of the table."""
    outcomes = [ends.triggered.get(dag_id), *ends.followed.get(dag_id, ())]
    cells = []
    for outcome in filter(None, outcomes):
        counts = Counter(state for *_, state in outcome.tasks)
        tasks = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
        cells.append(f"{outcome.state}: {tasks or 'no task'}")
    return "; ".join(sorted(cells)) or "no run"


def test_every_run_comes_to_an_end(both):
    """A run that both executors leave unfinished would compare as the same."""
    for ends in both:
        outcomes = [*ends.triggered.items()]
        outcomes += [(dag_id, each) for dag_id, some in ends.followed.items() for each in some]
        assert [] == [
            dag_id for dag_id, each in outcomes if each.state not in ("success", "failed")
        ]


def test_both_ran_the_same_dags(both):
    """Nothing is missing on one side, and there was something to run."""
    stock, ours = both
    assert set(stock.followed) == set(ours.followed)
    assert set(stock.triggered) == set(ours.triggered)
    assert stock.triggered
    assert any(stock.followed.values())


def test_end_states_are_the_same(both):
    """Every run and every task instance of it, mapped ones by their index."""
    stock, ours = both
    different = {
        dag_id: (ended(stock, dag_id), ended(ours, dag_id))
        for dag_id in stock.followed
        if ended(stock, dag_id) != ended(ours, dag_id)
    }
    assert {} == different
