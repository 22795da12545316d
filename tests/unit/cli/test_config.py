"""``aiops config``."""

from __future__ import annotations

import yaml

from aiops_provider.settings.schema import Settings

GOOD = """
store: postgresql+psycopg://me:hush@db/aiops
mode: observe
server: {token_secret: hush-hush-hush-hush-hush-hush-hush-hush}
clusters: [{name: a, kind: local}]
"""


def test_show_masks_secrets(aiops, tmp_path):
    """The settings in force are shown without what must stay secret."""
    (tmp_path / "aiops.yaml").write_text(GOOD, encoding="utf-8")
    answer = aiops("config", "show")
    shown = yaml.safe_load(answer.out)
    assert shown["store"] == "postgresql+psycopg://me:***@db/aiops"
    assert shown["mode"]["default"] == "observe"
    assert "hush" not in answer.out
    assert aiops("config", "show", "--output", "json").data == shown


def test_show_of_the_defaults_changes_nothing(aiops, tmp_path):
    """Looking makes no folder."""
    assert aiops("config", "show").status == 0
    assert list(tmp_path.iterdir()) == []


def test_file_on_the_command_line_goes_before_the_environment(aiops, tmp_path, monkeypatch):
    """What is named explicitly is used."""
    named, other = tmp_path / "named.yaml", tmp_path / "other.yaml"
    named.write_text("mode: advise", encoding="utf-8")
    other.write_text("mode: observe", encoding="utf-8")
    monkeypatch.setenv("AIOPS_CONFIG", str(other))
    answer = aiops("config", "show", "--config", str(named), "--output", "json")
    assert answer.data["mode"]["default"] == "advise"


def test_check_lists_everything_that_is_wrong(aiops, tmp_path):
    """All problems at once, exit status 2."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("servr: {}\nmode: enforced\n", encoding="utf-8")
    answer = aiops("config", "check", str(bad))
    assert answer.status == 2
    assert f"{bad}:1: servr: unknown key. Did you mean 'server'?" in answer.out
    assert f"{bad}:2: mode.default: should be" in answer.out
    data = aiops("config", "check", str(bad), "--output", "json").data
    assert [problem["line"] for problem in data["problems"]] == [1, 2]
    assert data["ok"] is False


def test_check_of_a_good_file(aiops, tmp_path):
    """Exit status 0 and one word."""
    (tmp_path / "aiops.yaml").write_text("mode: observe\n", encoding="utf-8")
    answer = aiops("config", "check")
    assert (answer.status, answer.out) == (0, "aiops.yaml: fine\n")


def test_schema_is_that_of_the_settings(aiops):
    """Editors get the JSON Schema."""
    schema = aiops("config", "schema").data
    assert schema["title"] == "aiops.yaml"
    assert schema["properties"] == Settings.model_json_schema()["properties"]


def test_bad_file_is_one_message_with_status_2(aiops, tmp_path):
    """A command that reads the settings refuses them with place, field, value and mend."""
    (tmp_path / "aiops.yaml").write_text(
        "clusters:\n  - name: a\n    kind: local\n    price_usd_per_hour: -1\n", encoding="utf-8"
    )
    answer = aiops("config", "show")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == (
        "aiops: aiops.yaml:4: clusters[0].price_usd_per_hour: should be greater than or equal to 0 "
        "(got -1). Write a number >= 0: Price of `capacity` for one hour.\n"
    )
