"""The sizes of Fargate."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.clusters.fargate import fargate_size
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

# "Task CPU and memory", Amazon ECS Developer Guide.
OFFERED = (
    {(0.25, memory) for memory in (0.5, 1, 2)}
    | {(0.5, memory) for memory in range(1, 5)}
    | {(1, memory) for memory in range(2, 9)}
    | {(2, memory) for memory in range(4, 17)}
    | {(4, memory) for memory in range(8, 31)}
    | {(8, memory) for memory in range(16, 61, 4)}
    | {(16, memory) for memory in range(32, 121, 8)}
)


@given(st.floats(0.01, 16), st.floats(0.01, 120))
@settings(max_examples=300, deadline=None)
def test_the_size_is_offered_holds_the_request_and_none_with_as_few_cores_is_smaller(cores, memory):
    """Nothing is asked for that AWS would refuse, and nothing is wasted."""
    size = fargate_size(ResourceRequest(cores=cores, memory_gib=memory))
    fitting = sorted(each for each in OFFERED if each[0] >= cores and each[1] >= memory)
    assert fitting[0] == size


@pytest.mark.parametrize(("cores", "memory"), [(17, 1), (1, 121)])
def test_what_is_too_large_is_refused(cores, memory):
    """The router goes elsewhere."""
    with pytest.raises(ClusterRefusedError, match="Fargate offers no"):
        fargate_size(ResourceRequest(cores=cores, memory_gib=memory))
