"""The benchmark of described tasks judges what it says it judges."""

from __future__ import annotations

import pytest

from benchmarks.profiling.descriptions import wrong_cases

CASE = {
    "sentence": "serve a 7B model in bf16 to 4 concurrent users",
    "kind": "serving",
    "compute": "gpu",
    "lowest_gib": "24",
    "highest_gib": "80",
    "runtime": "vllm",
    "storage": "source:object",
    "link": "",
}


def test_a_case_as_the_guide_says_is_right():
    """All that the guide names agrees."""
    assert wrong_cases([CASE]) == []


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("kind", "training", "kind"),
        ("compute", "cpu", "compute"),
        ("lowest_gib", "640", "GiB"),
        ("runtime", "triton", "runtime"),
        ("storage", "source:warehouse", "storage"),
    ],
)
def test_each_disagreement_makes_it_wrong(field, value, named):
    """One figure that the guide does not name is enough, and is named."""
    case = {**CASE, field: value, **({"highest_gib": "640"} if field == "lowest_gib" else {})}
    ((_, wrong),) = wrong_cases([case])
    assert named in wrong[0]
