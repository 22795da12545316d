"""What README and docs say is run: Python blocks, configuration, command lines."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import aiops_provider
from aiops_provider.cli.commands import COMMANDS, build_app
from aiops_provider.cli.demo.acts import incident, lost_cluster, observe, placed
from aiops_provider.settings.load import load_settings

ROOT = Path(__file__).parents[2]
PACKAGE = Path(aiops_provider.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list:
    found = []
    for page in PAGES:
        for number, (name, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if name == language:
                found.append(pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}"))
    return found


def pages_with(language: str) -> list:
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in PAGES
        if any(name == language for name, _ in BLOCK.findall(page.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_run(page, tmp_path, monkeypatch):
    """The blocks of a page run one after another, as a reader would run them."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    if "from airflow" in text or "aiops_provider.airflow" in text:
        pytest.importorskip("airflow", reason="this page needs Airflow: run in tox -e airflow")
    if "from prefect" in text or "aiops_provider.prefect" in text:
        pytest.importorskip("prefect", reason="this page needs Prefect: run in tox -e prefect")
    namespace: dict = {"__name__": "documentation"}
    for name, block in BLOCK.findall(text):
        if name == "python":
            exec(compile(block, str(page), "exec"), namespace)  # noqa: S102 - our own pages


@pytest.mark.parametrize("block", [p for p in blocks("yaml") if "clusters:" in p.values[0]])
def test_configuration_blocks_are_accepted(block, tmp_path):
    """An aiops.yaml that a page shows can be used as it stands."""
    assert isinstance(yaml.safe_load(block), dict)
    file = tmp_path / "aiops.yaml"
    file.write_text(block, encoding="utf-8")
    assert load_settings(file, environ={}).cluster_specs


def command_lines() -> list:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown = re.findall(r"^(?:\$ )?(aiops [^\n#`]*)", text, re.MULTILINE)
        said = re.findall(r"`(aiops [a-z][^`]*)`", text)
        found += [
            pytest.param(line.strip(), id=f"{page.name}: {line.strip()}") for line in shown + said
        ]
    return found


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_name_commands_and_options_that_exist(line):
    """Every `aiops …` in a page can be typed."""
    words = shlex.split(line.replace("…", ""))[1:]
    if words[:1] in (["--version"], ["--help"]):
        return
    assert words[0] in COMMANDS
    command = get_command(build_app(words))
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.split("=")[0] not in known]
    assert [] == unknown


def test_the_configuration_page_is_what_the_settings_say():
    """`python docs/render_configuration.py` was run after the last change of a setting."""
    script = ROOT / "docs" / "render_configuration.py"
    namespace = runpy.run_path(str(script))
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert namespace["render"]() == page


def test_the_readme_announces_the_acts_as_the_demo_does():
    """Titles of acts in the README are those in the code."""
    titles = [observe.TITLE, placed.TITLE, lost_cluster.TITLE, incident.TITLE]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [f"Act {number}. {title}" for number, title in enumerate(titles)] == re.findall(
        r"^(Act \d\. .*)$", readme, re.MULTILINE
    )


def test_the_readme_shows_expectations_that_the_demo_has():
    """What the README says the demo prints is what its code can print."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^  met     ([^:(]+?)(?: in run [a-z-]+)?(?: \(|:)", readme, re.MULTILINE)
    code = "".join(path.read_text() for path in (PACKAGE / "cli" / "demo").rglob("*.py"))
    assert shown
    for words in shown:
        # Names of clusters and providers are filled in when it runs.
        fixed = re.sub(r"\b(aws|azure)[a-z0-9-]*", "{}", words).split("{}")
        assert all(part.strip() in code for part in fixed), words
