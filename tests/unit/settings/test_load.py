"""Every way in which aiops.yaml or the environment can be wrong is told with place, value and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiops_provider.domain.plan import Mode
from aiops_provider.errors import ConfigurationError
from aiops_provider.settings.load import find_config, inspect_settings, load_settings

LOCAL = "clusters:\n  - name: onprem\n    kind: local\n"


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str) -> Path:
        file = tmp_path / "aiops.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return _write


def refusal(file: Path | None, environ: dict[str, str] | None = None) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, environ or {})
    assert caught.value.exit_status == 2
    return caught.value


BAD_FILES = {
    "a queue of no cluster": (
        LOCAL + "airflow:\n  queues:\n    gpu: [onprem, aws]\n",
        (6, "airflow.queues.gpu", "no such cluster", "Name one of onprem"),
    ),
    "a queue of an empty list": (
        LOCAL + "airflow:\n  queues: {gpu: []}\n",
        (5, "airflow.queues.gpu", "at least 1", "Cluster"),
    ),
    "a team of no cluster": (
        LOCAL + "teams:\n  science: {clusters: aws}\n",
        (5, "teams.science.clusters", "no such cluster", "Name one of onprem"),
    ),
    "a machine by its name": (
        LOCAL + "    pools:\n      - {machine: m7i.4xlarge}\n",
        (5, "clusters[0].pools[0].machine", "is a name", "`instance_type: m7i.4xlarge`"),
    ),
    "a number where a mapping belongs": (
        LOCAL + "    capacity: 64\n",
        (4, "clusters[0].capacity", "is no mapping", "cores, memory_gib, accelerators"),
    ),
    "unknown key": (
        "servr:\n  port: 1\n",
        (1, "servr", "unknown key", "Did you mean 'server'?"),
    ),
    "unknown key of a section": (
        "mode: observe\nserver:\n  prot: 1\n",
        (3, "server.prot", "unknown key", "Did you mean 'port'?"),
    ),
    "unknown key of a cluster": (
        LOCAL + "    queue: default\n",
        (4, "clusters[0].queue", "unknown key", "under `options`"),
    ),
    "unknown kind": (
        "clusters:\n  - name: a\n    kind: locl\n    capacity: {cores: 1, memory_gib: 1}\n",
        (
            3,
            "clusters[0].kind",
            "unknown cluster kind (got 'locl')",
            "Did you mean 'local'? Known:",
        ),
    ),
    "price below zero": (
        LOCAL + "    price_usd_per_hour: -0.5\n",
        (4, "clusters[0].price_usd_per_hour", "(got -0.5)", "Write a number >= 0"),
    ),
    "price of a pool below zero": (
        LOCAL
        + "    pools:\n      - machine: {cores: 1, memory_gib: 1}\n        price_usd_per_hour: -1\n",
        (6, "clusters[0].pools[0].price_usd_per_hour", "(got -1)", "Write a number >= 0"),
    ),
    "price that is no number": (
        LOCAL + "    price_usd_per_hour: .nan\n",
        (4, "clusters[0].price_usd_per_hour", "finite number", "Price of `capacity`"),
    ),
    "two clusters of one name": (
        LOCAL + "  - name: onprem\n    kind: local\n",
        (4, "clusters[1].name", "two clusters have one name (got 'onprem')", "its own name"),
    ),
    "two pools of one name": (
        LOCAL + "    pools:\n" + "      - {name: p, machine: {cores: 1, memory_gib: 1}}\n" * 2,
        (6, "clusters[0].pools[1].name", "two pools", "(got 'p')"),
    ),
    "pool without machine": (
        LOCAL + "    pools:\n      - max_instances: 2\n",
        (5, "clusters[0].pools[0].machine", "'default'", "machine: {cores: 4, memory_gib: 16}"),
    ),
    "machine type that is none": (
        LOCAL + "    provider: aws\n    pools:\n      - instance_type: m7i.4xlrage\n",
        (6, "clusters[0].pools[0].instance_type", "(got 'm7i.4xlrage')", "mean m7i.4xlarge"),
    ),
    "machine type of another provider": (
        LOCAL + "    pools:\n      - instance_type: m7i.4xlarge\n",
        (5, "clusters[0].pools[0].instance_type", "on_premises", "machine: {cores: 4"),
    ),
    "capacity and pools": (
        LOCAL
        + "    capacity: {cores: 1, memory_gib: 1}\n"
        + "    pools: [{machine: {cores: 1, memory_gib: 1}}]\n",
        (5, "clusters[0].pools", "both given", "Keep one"),
    ),
    "missing value": (
        "clusters:\n  - kind: local\n",
        (2, "clusters[0].name", "is missing", "Add it"),
    ),
    "name that is none": (
        "clusters:\n  - name: On Prem\n    kind: local\n",
        (2, "clusters[0].name", "(got 'On Prem')", "lower-case letters"),
    ),
    "word that is none": (
        "mode: enforced\n",
        (1, "mode.default", "(got 'enforced')", "Did you mean 'enforce'?"),
    ),
    "fallback that is none": (
        "fallback_cluster: offprem\n" + LOCAL,
        (1, "fallback_cluster", "(got 'offprem')", "Name one of onprem"),
    ),
    "both objectives": (
        "objective: {maximize: sla, minimize: cost}\n",
        (1, "objective.minimize", "both given", "Keep one"),
    ),
    "store that is none": (
        "store: mysql://me:hush@db/aiops\n",
        (1, "store", "not the URL of an SQLite or PostgreSQL database", "postgresql+psycopg://"),
    ),
    "short secret": (
        "server: {token_secret: hush-hush}\n",
        (1, "server.token_secret", "shorter than 32", "aiops token secret"),
    ),
    "rules that are not there": (
        "detection:\n  rules_file: rules.yaml\n",
        (2, "detection.rules_file", "no such file", "beside aiops.yaml"),
    ),
    "unknown time zone": (
        "detection:\n  time_zone: Europe/Olso\n",
        (2, "detection.time_zone", "no time zone known", "Europe/Oslo"),
    ),
    "Norway, which YAML takes for a falsehood": (
        "detection:\n  holidays: NO\n",
        (2, "detection.holidays", "is read as `false`", 'holidays: "NO"'),
    ),
    "no country": (
        "detection:\n  holidays: Norway\n",
        (2, "detection.holidays", "Norway"),
    ),
    "broken YAML": ("mode: observe\nclusters: [{name: a\n", (3, "not valid YAML", "Mend")),
    "tab": ("server:\n\tport: 1\n", (2, "not valid YAML", "Mend")),
    "key twice": ("mode: observe\nmode: enforce\n", (2, "mode", "twice, first in line 1", "Keep")),
    "not a mapping": ("- a\n", (1, "holds a list", "key: value")),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_is_refused_with_place_field_value_and_mend(case, write):
    """Each mistake gets one message that names file, line, field, value and mend."""
    text, (line, *parts) = BAD_FILES[case]
    file = write(text)
    error = refusal(file)
    assert str(error).startswith(f"{file}:{line}: ")
    for part in parts:
        assert part in str(error)
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "text",
    [
        "store: mysql://me:hush@db/x\n",
        "server: {token_secrt: hush}\n",
        "server: {token_secret: hush}\n",
        "store: {password: hush}\n",
        "stroe: postgresql://me:hush@db\n",
        "server: {token_secret: [hush]}\n",
    ],
)
def test_secrets_are_never_in_a_message(text, write):
    """What may be a secret is not quoted, even under a misspelt key."""
    assert "hush" not in str(refusal(write(text)))


def test_all_problems_are_found_from_top_to_bottom(write):
    """A check lists every problem of a file, in the order of its lines."""
    file = write("servr: {}\nmode: enforced\n" + LOCAL + "    price_usd_per_hour: -1\n")
    _, problems = inspect_settings(file, {})
    assert [problem.line for problem in problems] == [1, 2, 6]


def test_remote_cluster_with_sqlite_is_refused(write, monkeypatch):
    """A store that is a file cannot serve a cluster that is elsewhere."""
    monkeypatch.setattr("aiops_provider.settings.checks._PREFECT_KINDS", frozenset({"kubernetes"}))
    monkeypatch.setattr("aiops_provider.settings.checks.find_spec", lambda name: object())
    file = write(
        "store: sqlite:////tmp/x.db\nclusters:\n"
        "  - {name: eks, kind: kubernetes, capacity: {cores: 1, memory_gib: 1}}\n"
    )
    error = refusal(file)
    assert str(error).startswith(f"{file}:1: store: is SQLite")
    assert "'eks' is of kind kubernetes" in str(error)
    assert "Use PostgreSQL" in str(error)


def test_what_a_kind_says_about_its_cluster_is_told_with_the_line(write, monkeypatch):
    """A kind's own objection points to the cluster in the file."""
    from aiops_provider.clusters.registry import ClusterKind

    kind = ClusterKind(name="local", validate=lambda spec: ["needs a queue"], open=None)
    monkeypatch.setattr("aiops_provider.settings.checks.cluster_kind", lambda name: kind)
    file = write(LOCAL)
    assert str(refusal(file)) == f"{file}:2: clusters[0]: needs a queue"


def test_kind_whose_package_cannot_be_loaded_is_told(write, monkeypatch):
    """A kind that is installed but broken is a problem of that cluster."""

    def broken(name):
        raise ConfigurationError("cannot be loaded", value=name, mend="Install it")

    monkeypatch.setattr("aiops_provider.settings.checks.cluster_kind", broken)
    file = write(LOCAL)
    assert str(refusal(file)) == (
        f"{file}:3: clusters[0].kind: cannot be loaded (got 'local'). Install it"
    )


def test_missing_file_is_refused(tmp_path):
    """A file that is named but not there is an error, not the defaults."""
    file = tmp_path / "nowhere.yaml"
    assert str(refusal(file)) == f"{file}: the file does not exist. Create it or name another one."


def test_folder_and_binary_are_refused(tmp_path):
    """What cannot be read as text is told as such."""
    assert "cannot be read" in str(refusal(tmp_path))
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in str(refusal(binary))


def test_aliases_without_end_are_refused(write):
    """A small file that describes an enormous tree is refused, not expanded."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    for name, inner in zip("bcdefg", "abcdef", strict=True):
        bomb += f"{name}: &{name} [{','.join([f'*{inner}'] * 10)}]\n"
    assert "more than 100000 values" in str(refusal(write(bomb)))


def test_without_a_file_the_defaults_hold(tmp_path, monkeypatch):
    """No aiops.yaml: this machine is the only cluster."""
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})
    (spec,) = settings.cluster_specs
    assert (spec.name, spec.kind) == ("local", "local")
    assert spec.pools[0].machine.cores >= 1
    assert settings.fallback == spec


def test_search_order(tmp_path, monkeypatch):
    """AIOPS_CONFIG goes before what the host names, and that before the working directory."""
    monkeypatch.chdir(tmp_path)
    here = tmp_path / "aiops.yaml"
    here.write_text("{}", encoding="utf-8")
    assert find_config(environ={}) == Path("aiops.yaml")
    assert find_config("host.yaml", {}) == Path("host.yaml")
    assert find_config("host.yaml", {"AIOPS_CONFIG": "env.yaml"}) == Path("env.yaml")


def test_empty_file_is_the_defaults(write):
    """A file with nothing but comments changes nothing."""
    assert load_settings(write("# nothing\n"), {}).mode.default is Mode.ENFORCE


def test_one_word_is_the_mode_of_all_tasks(write):
    """``mode: observe`` is short for the section."""
    assert load_settings(write("mode: observe\n"), {}).mode.default is Mode.OBSERVE


def test_rules_file_lies_beside_the_configuration(write, tmp_path):
    """Paths are relative to the file that holds them, not to the working directory."""
    (tmp_path / "rules.yaml").write_text("", encoding="utf-8")
    settings = load_settings(write("detection: {rules_file: rules.yaml}\n"), {})
    assert settings.detection.rules_file == str(tmp_path / "rules.yaml")


def test_specs_carry_what_was_declared(write):
    """The clusters of the domain are those of the file."""
    settings = load_settings(
        write(
            "clusters:\n  - name: us\n    kind: local\n    provider: aws\n    region: us-east-1\n"
            "    pools:\n      - instance_type: g5\n        max_instances: 2\n        purchase: spot\n"
            "        price_usd_per_hour: 1.5\n"
            "        machine: {cores: 4, memory_gib: 16, accelerators: {A10G: 1}}\n"
        ),
        {},
    )
    (spec,) = settings.cluster_specs
    assert spec.stands_in
    pool = spec.pool("g5")
    assert (pool.max_instances, pool.price_usd_per_hour, pool.purchase.value) == (2, 1.5, "spot")
    assert pool.capacity.accelerators == {"A10G": 2}
