"""What tasks need by their description alone."""

from __future__ import annotations

from dataclasses import fields

import pytest

from aiops_provider.domain.profile import ComputeType, Quantity, Source
from aiops_provider.domain.workload import (
    Cadence,
    Column,
    Dataset,
    Etl,
    FeatureEngineering,
    Generic,
    ModelCandidate,
    Schema,
    Serving,
    Training,
)
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.priors import AnalyticPrior
from aiops_provider.profiling.priors.storage import storage_class

FINE_TUNING = Training(
    dataset=Dataset(rows=50_000),
    candidates=(ModelCandidate(family="fine_tuning", name="llama-3-8b"),),
)
RESNET = Training(
    dataset=Dataset(rows=1_281_167, format="jpeg"),
    candidates=(ModelCandidate(family="deep_network", name="resnet50"),),
    epochs=90,
)
HIGGS = Training(
    dataset=Dataset(
        rows=10_500_000, table_schema=Schema(columns=tuple(Column(name=f"f{n}") for n in range(28)))
    ),
    candidates=(
        ModelCandidate(
            family="tree_ensemble",
            name="xgboost",
            hyperparameters={"n_estimators": 500, "max_depth": 8},
        ),
    ),
)
EVERYTHING = [
    None,
    Etl(),
    Etl(source=Dataset(volume_gib=100_000, format="parquet"), joins=9, aggregations=9),
    Etl(source=Dataset(rows=10**12)),
    Etl(source=Dataset(volume_gib=0)),
    Etl(streaming=True, source=Dataset(volume_gib=500)),
    FeatureEngineering(),
    FeatureEngineering(source=Dataset(rows=10**10), features=10_000),
    Training(),
    Training(dataset=Dataset(rows=0)),
    Training(candidates=()),
    Training(candidates=(ModelCandidate(parameters=1e12),), tokens=1e14),
    Training(candidates=(ModelCandidate(family="clustering", hyperparameters={"n_clusters": 50}),)),
    Training(candidates=(ModelCandidate(family="tree_ensemble", hyperparameters={"max_depth": 2000}),)),
    FINE_TUNING,
    RESNET,
    HIGGS,
    Serving(),
    Serving(requests_per_s=1e6),
    Serving(past_demand_per_s=(1.0, 5.0, 100.0)),
    Serving(past_demand_per_s=(0.0,)),
    Serving(concurrent_requests=500, model=ModelCandidate(name="llama-3-70b")),
    Serving(model=ModelCandidate(family="deep_network")),
    Generic(),
    Generic(input_gib=10_000),
    Generic(input_rows=0),
]  # fmt: skip


@pytest.fixture
def prior(task, now):
    def ask(description, history=()) -> Estimate:
        estimate = AnalyticPrior().predict(task, description, history, now=now)
        assert estimate is not None
        return estimate

    return ask


@pytest.mark.parametrize("description", EVERYTHING)
def test_every_description_gets_a_sane_answer(prior, description):
    """No kind, size or candidate explodes, and each figure says that it is a guess about what."""
    estimate = prior(description)
    assert estimate.explosion is None
    assert estimate.own_runs == 0
    for field in fields(estimate):
        value = getattr(estimate, field.name)
        if isinstance(value, Quantity):
            assert value.source is Source.PRIOR
            assert value.reason
    assert estimate.memory_gib.p50 >= 0.3
    assert estimate.memory_gib.p95 >= 0.5
    assert estimate.duration_s.p50 > 0


def test_memory_follows_the_working_set(prior):
    """Joins and aggregations hold copies; a compressed format expands; a stream holds batches."""

    def memory(**task) -> float:
        return prior(Etl(**task)).memory_gib.p50

    parquet = Dataset(volume_gib=1, format="parquet")
    assert memory(source=parquet) > memory(source=Dataset(volume_gib=1, format="csv"))
    assert memory(source=parquet, joins=2) > memory(source=parquet, aggregations=2)
    assert memory(source=parquet, aggregations=2) > memory(source=parquet)
    assert memory(source=parquet, streaming=True) < 1.0


def test_bytes_over_throughput_is_time(prior):
    """Twice the bytes take about twice as long."""
    once, twice = (
        prior(Etl(source=Dataset(volume_gib=gib, format="csv"))).duration_s.p50 for gib in (1, 2)
    )
    assert twice / once == pytest.approx(2.0, rel=0.1)


def test_a_warehouse_does_its_own_work(prior):
    """A terabyte in Snowflake costs the task neither memory nor cores."""
    pushed = prior(Etl(source=Dataset(volume_gib=1000, location="snowflake://db/patients")))
    assert pushed.memory_gib.p95 <= 1.0
    assert pushed.cores.p80 < 0.5
    assert "in the warehouse" in pushed.memory_gib.reason


def test_storage_is_named_where_known(prior):
    """Source and target by their locations, the working set of joins in between."""
    estimate = prior(
        Etl(
            source=Dataset(volume_gib=1, format="csv", location="s3://bucket/in"),
            target=Dataset(volume_gib=2, location="postgresql+psycopg://db/table"),
            joins=1,
        )
    )
    assert [(need.role, need.storage_class) for need in estimate.storage] == [
        ("source", "object"), ("target", "sql"), ("intermediate", "in_memory"),
    ]  # fmt: skip
    assert estimate.network_gbps.p50 > 0
    assert prior(Etl()).storage is None


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("s3://b/k", "object"),
        ("/data/x.csv", "file"),
        ("redis://h", "key_value"),
        ("bigquery://p/d", "warehouse"),
        ("sa-east-1", None),
        ("ftp://x", None),
        (None, None),
    ],
)
def test_storage_classes_follow_the_scheme(location, named):
    """What is not known is not guessed."""
    assert storage_class(Dataset(location=location)) == named


def test_features_make_a_table(prior):
    """Ten million rows of a hundred features are 7.5 GiB of numbers, held more than once."""
    few, many = (
        prior(FeatureEngineering(source=Dataset(rows=10_000_000), features=n)).memory_gib.p50
        for n in (1, 100)
    )
    assert many - few > 7.5


def test_gradient_boosting_agrees_with_a_published_run(prior):
    """XGBoost on Higgs took 3.8 GB and 552 s with 16 threads (LightGBM docs): inside the interval."""
    estimate = prior(HIGGS)
    assert estimate.memory_gib.p50 * 0.5 < 3.784 / 1.074 < estimate.memory_gib.p95
    assert estimate.duration_s.p50 * 0.5 < 551.9 < estimate.duration_s.p95
    assert estimate.accelerators == 0


def test_small_tables_fit_a_small_machine(prior):
    """Some thousand patients train within a GiB and minutes, on one core."""
    estimate = prior(Training(dataset=Dataset(rows=5000)))
    assert estimate.memory_gib.p95 < 1.0
    assert estimate.cores.p80 == 1.0
    assert estimate.duration_s.p80 < 600


def test_candidates_are_fitted_one_after_the_other(prior):
    """Times add up, memory is that of the largest; unknown ones are the usual two."""
    dataset = Dataset(rows=1_000_000)
    linear, trees = (
        prior(Training(dataset=dataset, candidates=(ModelCandidate(family=family),)))
        for family in ("linear", "tree_ensemble")
    )
    both = prior(Training(dataset=dataset))
    assert both.memory_gib.p95 == max(linear.memory_gib.p95, trees.memory_gib.p95)
    assert both.duration_s.p95 > max(linear.duration_s.p95, trees.duration_s.p95) * 0.9
    assert "linear + a tree ensemble" in both.memory_gib.reason


def test_deep_trees_on_noise_are_large(prior):
    """A depth limits the nodes of each tree."""
    dataset = Dataset(rows=5_000_000)

    def memory(**given) -> float:
        candidate = ModelCandidate(family="tree_ensemble", hyperparameters=given)
        return prior(Training(dataset=dataset, candidates=(candidate,))).memory_gib.p95

    assert memory(max_depth=6) < memory() < memory(n_estimators=1000)


@pytest.mark.parametrize("name", ["xgboost", "LightGBM", "catboost", "HistGradientBoosting"])
def test_boosted_trees_are_shallow_where_nothing_is_said(prior, name):
    """Their memory is that of the data: fifty GiB of text do not ask for terabytes."""
    candidate = ModelCandidate(family="tree_ensemble", name=name)
    claims = Dataset(volume_gib=50, format="csv")
    memory = prior(Training(dataset=claims, candidates=(candidate,))).memory_gib
    assert 50 < memory.p50 < 300
    assert memory.p95 < 1500


def test_pictures_are_trained_by_networks_on_accelerators(prior):
    """ImageNet on ResNet-50 for 90 epochs: one accelerator for hours to days, some GiB of it."""
    estimate = prior(RESNET)
    assert (estimate.compute_type, estimate.accelerators) == (ComputeType.GPU, 1)
    assert 3600 < estimate.duration_s.p50 < 7 * 86400
    assert 2 < estimate.accelerator_memory_gib.p50 < 16
    unknown = prior(Training(dataset=Dataset(volume_gib=100, format="jpeg")))
    assert unknown.compute_type is ComputeType.GPU


def test_small_networks_need_no_accelerator(prior):
    """A thousand rows and a hundred thousand weights are minutes on a core."""
    network = ModelCandidate(family="deep_network", parameters=1e5)
    estimate = prior(Training(dataset=Dataset(rows=1000), candidates=(network,)))
    assert (estimate.compute_type, estimate.accelerators) == (ComputeType.CPU, 0)
    assert estimate.memory_gib.p50 < 1.0


def test_training_states_are_sixteen_bytes_a_weight(prior):
    """Eight billion weights take 120 GiB of states; adapters need little more than the weights."""
    full = prior(FINE_TUNING)
    adapters = prior(
        FINE_TUNING.model_copy(
            update={
                "candidates": (
                    ModelCandidate(
                        family="fine_tuning", name="llama-3-8b", hyperparameters={"lora_r": 16}
                    ),
                )
            }
        )
    )
    states = 8.03e9 * 16 / 2**30
    assert states < full.accelerator_memory_gib.p50 < 1.5 * states
    assert adapters.accelerator_memory_gib.p95 < 0.6 * states
    assert full.accelerators > adapters.accelerators == 1


def test_compute_is_six_flops_per_weight_and_token(prior):
    """GPT-3: 175e9 weights and 300e9 tokens are 3.15e23 FLOPs (Brown et al. 2020)."""
    gpt3 = Training(candidates=(ModelCandidate(name="gpt-3", parameters=175e9),), tokens=300e9)
    assert "3.2e+23 FLOPs" in prior(gpt3).memory_gib.reason


def test_sequence_length_and_batch_raise_activations(prior):
    """Longer samples and larger batches need more of the accelerator."""

    def device(**given) -> float:
        candidate = ModelCandidate(family="fine_tuning", name="llama-3-8b", **given)
        training = Training(dataset=Dataset(rows=50_000), candidates=(candidate,))
        return prior(training).accelerator_memory_gib.p50

    assert device(batch_size=64) > device(batch_size=8)
    assert device(hyperparameters={"max_seq_length": 4096}) > device()


def test_littles_law_sizes_serving(prior):
    """Ten times the requests keep ten times the cores busy."""
    one, ten = (prior(Serving(requests_per_s=rate)) for rate in (100, 1000))
    assert ten.cores.p50 * ten.instances == pytest.approx(10 * one.cores.p50 * one.instances)
    assert ten.instances > one.instances
    assert one.latency_ms.p95 > one.latency_ms.p50


def test_serving_follows_past_demand(prior):
    """The p95 of the past hours is planned for, not their mean."""
    demand = Serving(past_demand_per_s=(1.0,) * 90 + (100.0,) * 10)
    assert prior(demand).cores.p95 == pytest.approx(prior(Serving(requests_per_s=100)).cores.p95)


def test_concurrent_requests_occupy_cores(prior):
    """Each request in the system is being served."""
    estimate = prior(Serving(concurrent_requests=20))
    assert estimate.cores.p50 * estimate.instances >= 20


def test_language_models_hold_weights_and_keys_and_values(prior):
    """Eight billion weights in 16 bits are 15 GiB; concurrent conversations add to it."""
    few, many = (
        prior(Serving(model=ModelCandidate(name="llama-3-8b"), concurrent_requests=n))
        for n in (1, 60)
    )
    assert few.compute_type is ComputeType.GPU
    assert 15 < few.accelerator_memory_gib.p50 < 20
    assert many.accelerator_memory_gib.p50 > few.accelerator_memory_gib.p50 + 1
    quantised = ModelCandidate(name="llama-3-8b", precision="int8")
    small = prior(Serving(model=quantised, concurrent_requests=1))
    assert small.accelerator_memory_gib.p50 < few.accelerator_memory_gib.p50


def test_small_networks_are_served_from_cpus(prior):
    """BERT needs no accelerator."""
    estimate = prior(Serving(model=ModelCandidate(name="bert-base"), requests_per_s=5))
    assert (estimate.compute_type, estimate.accelerators) == (ComputeType.CPU, 0)


def test_serving_lasts_until_its_next_start(prior):
    """With a cadence the lifetime is known."""
    assert prior(Serving(cadence=Cadence(every_s=900))).duration_s.p95 == 900


@pytest.mark.parametrize(
    ("operator", "most_cores", "words"),
    [
        ("S3KeySensor", 0.25, "it mostly waits"),
        ("KubernetesPodOperator", 0.5, "the work is done elsewhere"),
        ("BranchPythonOperator", 1.0, "it does little"),
        ("PythonOperator", 2.0, "nothing tells what it does"),
        (None, 2.0, "nothing tells what it does"),
    ],
)
def test_operators_tell_their_manner(prior, operator, most_cores, words):
    """The class name says whether a task computes or waits."""
    estimate = prior(Generic(operator=operator))
    assert estimate.cores.p95 <= most_cores
    assert words in estimate.cores.reason


def test_a_known_input_replaces_the_guess(prior):
    """A described input is held as one data frame; a sensor does not read it."""
    assert prior(Generic(input_gib=5.0)).memory_gib.p50 > 10
    assert prior(Generic(operator="S3KeySensor", input_gib=5.0)).memory_gib.p50 < 0.5


def test_the_operator_is_found_in_the_history(prior, run):
    """A task that nobody described is known by what it ran as."""
    estimate = prior(None, [run(operator="S3KeySensor")])
    assert "S3KeySensor" in estimate.memory_gib.reason


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Meta-Llama-3-70B-Instruct", 70.6e9),
        ("qwen2.5-7b", 7.62e9),
        ("my-350m-model", 350e6),
        ("ResNet-50", 25.6e6),
        ("efficientnet_b0", 5.3e6),
    ],
)
def test_names_tell_the_number_of_weights(prior, name, parameters):
    """Published models by name, others by the size in their name."""
    candidate = ModelCandidate(family="fine_tuning", name=name)
    reason = prior(Training(candidates=(candidate,))).memory_gib.reason
    assert f"{parameters:.3g} weights" in reason


@pytest.mark.parametrize(
    ("sql", "quick"),
    [
        ("CREATE TABLE a (x int); -- then\nGRANT select ON a TO b", True),
        ("/* nightly */ truncate table a", True),
        ("CREATE TABLE a AS SELECT * FROM b", False),
        ("create table a as (with b as (select 1) select * from b)", False),
        ("INSERT INTO a SELECT * FROM b; DROP TABLE b", False),
        ("SELECT 1", False),
    ],
)
def test_a_query_is_run_elsewhere(prior, sql, quick):
    """Its process waits, briefly where the statements only define or empty tables."""
    query = prior(Generic(operator="SQLExecuteQueryOperator", parameters={"sql": sql}))
    own = prior(Generic(operator="OurQueryOperator", parameters={"sql": sql}))
    assert query.cores.p80 == own.cores.p80 < 0.5
    assert query.duration_s.p50 == own.duration_s.p50
    assert (query.duration_s.p95 < 60) is quick
    # What is known to wait or to do little does so whatever it is given.
    sensor = Generic(operator="SqlSensor", parameters={"sql": sql})
    assert prior(sensor).duration_s.p95 == prior(Generic(operator="SqlSensor")).duration_s.p95
