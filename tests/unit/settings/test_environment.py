"""Environment variables override the file."""

from __future__ import annotations

import pytest

from aiops_provider.domain.plan import Mode
from aiops_provider.errors import ConfigurationError
from aiops_provider.settings.load import load_settings


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "aiops.yaml"
    path.write_text("mode: observe\nserver: {port: 1, host: '::1'}\n", encoding="utf-8")
    return path


def test_one_key_is_overridden_and_the_others_stay(file):
    """AIOPS__SERVER__PORT changes the port alone."""
    server = load_settings(file, {"AIOPS__SERVER__PORT": "9000"}).server
    assert (server.port, server.host) == (9000, "::1")


def test_words_numbers_and_booleans_are_read(file):
    """Values are read as the schema wants them."""
    settings = load_settings(
        file,
        {
            "AIOPS__ENABLED": "false",
            "AIOPS__DETECTION__PERIOD_S": "0.5",
            "AIOPS__STORE": "sqlite:////x.db",
            "AIOPS__SERVER__TOKEN_SECRET": "1" * 40,
        },
    )
    assert settings.enabled is False
    assert settings.detection.period_s == 0.5
    assert settings.store.get_secret_value() == "sqlite:////x.db"
    assert settings.server.token_secret.get_secret_value() == "1" * 40


def test_one_word_of_the_file_and_a_key_of_the_environment_meet(file):
    """``mode: observe`` in the file can be refined key by key."""
    mode = load_settings(file, {"AIOPS__MODE__ENFORCE_PERCENTAGE": "5"}).mode
    assert (mode.default, mode.enforce_percentage) == (Mode.OBSERVE, 5)


def test_whole_section_can_be_given(file):
    """A value in braces or brackets is YAML, refined by longer names."""
    environ = {
        "AIOPS__MODE": "{default: advise, dags: {etl: enforce}}",
        "AIOPS__MODE__DEFAULT": "enforce",
        "AIOPS__CLUSTERS": "[{name: a, kind: local}]",
    }
    settings = load_settings(file, environ)
    assert settings.mode.default is Mode.ENFORCE
    assert settings.mode.dags == {"etl": Mode.ENFORCE}
    assert [spec.name for spec in settings.cluster_specs] == ["a"]


def test_empty_value_overrides_nothing(file):
    """A variable that is set to nothing is as good as none."""
    assert load_settings(file, {"AIOPS__SERVER__PORT": " "}).server.port == 1


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("AIOPS__SERVER__PORT", "x", ["server.port", "(got 'x')"]),
        ("AIOPS__SERVR__PORT", "1", ["servr", "unknown key", "Did you mean 'server'?"]),
        ("AIOPS__MODE", "{default: ", ["not valid YAML", "brackets"]),
        ("AIOPS__ENABLED__X", "1", ["enabled", "bool", "AIOPS__ENABLED"]),
        ("AIOPS__CLUSTERS", "[{name: a, kind: local, price_usd_per_hour: -2}]", ["(got -2)"]),
    ],
)
def test_bad_variable_is_named(tmp_path, variable, value, parts):
    """A wrong value is told with the variable that it came from."""
    path = tmp_path / "aiops.yaml"
    path.write_text("enabled: true\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, {variable: value})
    assert str(caught.value).startswith(f"environment variable {variable}: ")
    for part in parts:
        assert part in str(caught.value)
