"""The placement benchmarks read their files, repeat the published protocol and know their peers."""

from __future__ import annotations

import gzip

import pytest

from aiops_provider.placement.fleet import GPU_MILLI, Fleet, Machine, TaskKind
from benchmarks.placement import openb
from benchmarks.placement.packing_peers import BestFit, Random

NODES = "sn,cpu_milli,memory_mib,gpu,model\nb,64000,262144,2,P100\na,96000,393216,8,G2\n"
PODS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n"
    "p1,6000,12288,1,460,T4|P100\np0,20000,65536,0,0,\np2,8000,1024,2,1000,\n"
)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / openb.FOLDER
    folder.mkdir()
    for name, text in (("node_list_gpu_node", NODES), ("pod_list_tiny", PODS)):
        with gzip.open(folder / f"openb_{name}.csv.gz", "wt") as stream:
            stream.write(text)
    return tmp_path


def test_machines_and_tasks_come_in_the_order_of_their_names(data):
    """As the published simulator has them; a task without GPUs has no share."""
    assert ["a", "b"] == [machine.name for machine in openb.read_machines(data)]
    assert openb.read_tasks(data, "tiny") == [
        TaskKind(20_000, 65_536),
        TaskKind(6000, 12_288, 1, 460, ("T4", "P100")),
        TaskKind(8000, 1024, 2, GPU_MILLI),
    ]


def test_arrivals_ask_for_the_wanted_share_and_are_the_same_for_a_seed(data):
    """Not more, and not less by more than one task."""
    tasks = openb.read_tasks(data, "tiny")
    found = openb.arrivals(tasks, gpu_milli=10_000, ratio=1.3, seed=1)
    assert 11_000 < sum(task.total_gpu_milli for task in found) <= 13_000
    assert found == openb.arrivals(tasks, gpu_milli=10_000, ratio=1.3, seed=1)
    assert found != openb.arrivals(tasks, gpu_milli=10_000, ratio=1.3, seed=2)


def test_a_list_that_asks_for_too_much_is_shortened(data):
    """Down to the wanted share."""
    found = openb.arrivals(openb.read_tasks(data, "tiny"), gpu_milli=1000, ratio=1.0, seed=1)
    assert sum(task.total_gpu_milli for task in found) <= 1000


def test_best_fit_takes_the_machine_and_gpu_with_the_least_left():
    """The small machine, then the GPU that is in use."""
    fleet = Fleet([Machine("wide", 96_000, 10_000, 8), Machine("tight", 16_000, 10_000, 2)])
    share = TaskKind(1000, 0, 1, 400)
    for _ in range(2):
        placement = BestFit().choose(fleet, share)
        assert placement is not None
        assert (1, (0,)) == (placement.row, placement.devices)
        fleet.take(placement.row, share, placement.devices)


@pytest.mark.parametrize("policy", [BestFit(), Random(0)])
def test_peers_leave_out_what_fits_nowhere(policy):
    """Three GPUs of two."""
    assert policy.choose(Fleet([Machine("m", 1000, 0, 2)]), TaskKind(0, 0, 3, GPU_MILLI)) is None
