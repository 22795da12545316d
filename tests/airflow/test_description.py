"""What an author says about a task reaches the executor unharmed."""

import pytest

from aiops_provider import Dataset, Generic, Sla, Training
from aiops_provider.airflow.description import declared_kpis, describe, read_description
from aiops_provider.errors import DescriptionError
from aiops_provider.telemetry.returned import parse_kpis


def test_a_description_survives_executor_config():
    """What was described is read back as it was."""
    training = Training(dataset=Dataset(rows=10_000), sla=Sla(deadline_s=600), cluster="eks")
    assert training == read_description(describe(training))


def test_the_public_name_is_the_function():
    """No module of the package stands in its way, whatever was imported before."""
    from aiops_provider import airflow

    assert airflow.describe is describe


def test_other_executor_config_stays():
    """Keys for other executors are kept beside ours."""
    config = describe(Generic(), pod_override="kept")
    assert "kept" == config["pod_override"]
    assert Generic() == read_description(config)


@pytest.mark.parametrize("config", [None, {}, {"pod_override": 1}])
def test_a_task_without_description_has_none(config):
    """Tasks need not be described."""
    assert read_description(config) is None


def test_kind_may_be_left_out_for_a_pin():
    """A plain pin needs no kind."""
    assert Generic(cluster="onprem") == read_description({"aiops": {"cluster": "onprem"}})


@pytest.mark.parametrize("description", [None, Generic(), Training(cluster="onprem")])
def test_a_pin_is_a_word_of_its_own(description):
    """``describe(cluster=...)`` pins, with a description and without, and never passes unheard."""
    read = read_description(describe(description, cluster="onprem"))
    assert (description or Generic()).model_copy(update={"cluster": "onprem"}) == read


def test_two_pins_are_refused():
    """Nobody can know which was meant."""
    with pytest.raises(DescriptionError, match=r"cluster: .*'eks' already \(got 'onprem'\)"):
        describe(Generic(cluster="eks"), cluster="onprem")


def test_what_is_no_description_is_refused():
    """With a sentence, where the DAG is written."""
    with pytest.raises(DescriptionError, match=r"describe\(\): is no description"):
        describe({"memory_gib": 4})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"memory_gib": -1}, "memory_gib"),
        ({"memory": 1}, "memory"),
        ("big", "executor_config['aiops']"),
    ],
)
def test_a_wrong_description_names_field_and_value(said, field):
    """The author learns which field to mend."""
    with pytest.raises(DescriptionError) as caught:
        read_description({"aiops": said})
    assert field in str(caught.value)


def test_the_function_is_found_whatever_was_imported_before():
    """A module of that name would take its place once anybody has imported it."""
    import aiops_provider.airflow.description
    import aiops_provider.airflow.executor
    from aiops_provider.airflow import describe as found

    assert found is aiops_provider.airflow.description.describe


def test_declared_kpis_travel_with_the_description():
    """Beside it, in a form that a DAG is serialised with; the description does not see them."""
    config = describe(Generic(memory_gib=2), kpis=("row_count",), pod_override=1)
    assert config["aiops"] == {"kind": "generic", "memory_gib": 2.0, "kpis": ["row_count"]}
    assert read_description(config) == Generic(memory_gib=2)
    assert declared_kpis(config) == parse_kpis("row_count")


def test_a_declaration_may_stand_alone():
    """Whoever only wants KPIs describes nothing."""
    config = {"aiops": {"kpis": {"precision": "scores.test"}}}
    assert read_description(config) == Generic()
    assert declared_kpis(config) == parse_kpis({"precision": "scores.test"})


@pytest.mark.parametrize("config", [None, {}, {"aiops": {}}, {"aiops": {"kind": "etl"}}])
def test_without_a_declaration_there_are_no_kpis(config):
    """Nothing is read from what a task returns."""
    assert declared_kpis(config) == ()


def test_a_declaration_that_cannot_be_used_is_refused_where_it_is_written():
    """And not in the worker, hours later."""
    with pytest.raises(DescriptionError, match="kpis: is no declaration"):
        describe(Generic(), kpis={"row_count": 5})
