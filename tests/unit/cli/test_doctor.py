"""``aiops doctor``."""

from __future__ import annotations

import pytest

from aiops_provider.control import doctor as control_doctor
from aiops_provider.control.finding import failed, fine, warned


@pytest.mark.parametrize(
    ("findings", "status"),
    [
        ([fine("a", "good")], 0),
        ([fine("a", "good"), warned("b", "meh", "look")], 0),
        ([failed("c", "bad", "start it")], 1),
        ([failed("c", "bad", "start it"), failed("d", "wrong", "mend it", input_error=True)], 2),
    ],
)
def test_findings_become_table_json_and_status(aiops, monkeypatch, findings, status):
    """People and scripts read the same findings."""
    monkeypatch.setattr(control_doctor, "examine", lambda environ: findings)
    answer = aiops("doctor")
    assert answer.status == status
    for finding in findings:
        assert finding.detail in answer.out
        assert finding.mend in answer.out
    data = aiops("doctor", "--output", "json").data
    assert data["ok"] is (status == 0)
    assert [item["verdict"] for item in data["findings"]] == [item.verdict for item in findings]


def test_file_on_the_command_line_is_the_one_examined(aiops, monkeypatch):
    """``--config`` goes before the environment."""
    asked = []
    monkeypatch.setattr(control_doctor, "examine", lambda environ: asked.append(environ) or [])
    monkeypatch.setenv("AIOPS_CONFIG", "env.yaml")
    aiops("doctor", "--config", "named.yaml")
    assert asked[0]["AIOPS_CONFIG"] == "named.yaml"
