"""The examples in docstrings are run."""

import doctest
import importlib
import pkgutil

import pytest

import aiops_provider

# The doors need their host; their examples run in tox -e airflow and tox -e prefect.
HOSTS = ("aiops_provider.airflow", "aiops_provider.prefect")
# What is imported from inside a training loop needs the library of that loop: tox -e callbacks.
TRAINING = "aiops_provider.telemetry.training."


def modules() -> list[str]:
    found = pkgutil.walk_packages(
        aiops_provider.__path__, "aiops_provider.", onerror=lambda name: None
    )
    return [
        module.name
        for module in found
        if not module.name.startswith(HOSTS)
        and ".migrations" not in module.name
        and ".examples" not in module.name
    ]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_hold(name):
    """What a docstring shows is what happens."""
    if name.startswith(TRAINING):
        module = pytest.importorskip(name, reason="run in tox -e callbacks")
    else:
        module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, verbose=False)
    assert 0 == failed
