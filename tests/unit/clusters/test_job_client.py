from __future__ import annotations

import pytest

from aiops_provider.clusters.job_client import Job, JobState
from aiops_provider.domain.profile import ResourceRequest

_REQUEST = ResourceRequest(cores=1, memory_gib=1)


@pytest.mark.parametrize(
    "work",
    [{}, {"command": ()}, {"entry": "a:b", "command": ("true",)}],
)
def test_job_is_either_entry_or_command(work):
    """A job with no work, or with two kinds of it, cannot be made."""
    with pytest.raises(ValueError, match="job 'a' needs either entry or command"):
        Job(job_id="a", request=_REQUEST, **work)


@pytest.mark.parametrize("entry", ["module", "module:", ":function", ""])
def test_entry_names_module_and_function(entry):
    """An entry without module or function cannot be made."""
    with pytest.raises(ValueError, match="entry must read module:function"):
        Job(job_id="a", request=_REQUEST, entry=entry)


def test_final_states():
    """Everything but running is final."""
    assert [state for state in JobState if not state.final] == [JobState.RUNNING]
