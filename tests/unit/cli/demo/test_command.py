import pytest

from aiops_provider.cli.app import main
from aiops_provider.cli.demo import command
from aiops_provider.cli.demo.command import DemoHost, default_examples, installed_host
from aiops_provider.cli.demo.outcome import ActResult, DemoReport, Expectation
from aiops_provider.errors import ConfigurationError


def report(*, met):
    one = Expectation(what="w", expected="e", observed="o", met=met)
    return DemoReport(
        host="airflow",
        acts=(ActResult(act="act 0", title="t", expectations=(one,), duration_s=1.0),),
    )


@pytest.fixture
def asked(monkeypatch):
    """Replaces the story; what it was asked for is kept."""
    seen = {}

    def run_demo(host, options, narrator):
        seen.update(host=host, options=options)
        return report(met=seen.get("met", True))

    monkeypatch.setattr(command, "run_demo", run_demo)
    return seen


@pytest.mark.parametrize(("met", "status"), [(True, 0), (False, 1)])
def test_the_exit_status_tells_whether_every_act_did_what_it_says(asked, capsys, met, status):
    """0 only if all expectations are met; the report is printed once in either case."""
    asked["met"] = met
    assert main(["demo", "--host", "airflow", "--output", "json"]) == status
    assert capsys.readouterr().out.count('"act 0"') == 1


def test_a_folder_without_a_configuration_is_refused(asked, tmp_path, capsys):
    """Nothing is started; the message names the option, the value and the mend."""
    status = main(["demo", "--host", "airflow", "--examples", str(tmp_path)])
    assert status == 2
    told = capsys.readouterr().err
    assert "--examples" in told
    assert str(tmp_path) in told
    assert "dags_examples" in told
    assert "host" not in asked


def test_keep_and_examples_reach_the_story(asked, tmp_path):
    """What the user says is what is done."""
    (tmp_path / "aiops.yaml").touch()
    assert main(["demo", "--host", "airflow", "--keep", "--examples", str(tmp_path)]) == 0
    assert asked["options"].keep
    assert asked["options"].examples == tmp_path
    assert asked["host"] is DemoHost.AIRFLOW


def test_the_examples_of_the_repository_are_found():
    """Without a wheel the folder beside the package is used."""
    assert (default_examples(DemoHost.AIRFLOW) / "medical.py").is_file()


@pytest.mark.parametrize(
    ("present", "expected"),
    [({"airflow"}, DemoHost.AIRFLOW), ({"prefect"}, DemoHost.PREFECT)],
)
def test_the_installed_host_is_taken(monkeypatch, present, expected):
    """Nobody has to say what is obvious."""
    monkeypatch.setattr(command, "find_spec", lambda name: name if name in present else None)
    assert installed_host() is expected


def test_without_a_host_the_mend_is_told(monkeypatch):
    """The extras are named."""
    monkeypatch.setattr(command, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"aiops-provider\[airflow\]"):
        installed_host()
