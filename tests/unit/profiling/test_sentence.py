"""Descriptions from sentences."""

from __future__ import annotations

import pytest

from aiops_provider import describe
from aiops_provider.domain.workload import Etl, FeatureEngineering, Generic, Serving, Training
from aiops_provider.errors import DescriptionError


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("nightly XGBoost on 50 GB of claims", Training),
        ("fine-tune a 7B model with LoRA on 50k examples", Training),
        ("serve Llama 3 8B at 10 requests per second", Serving),
        ("serve a fine-tuned BERT to 20 concurrent users", Serving),
        ("hourly join of orders and customers, 20 GB of parquet", Etl),
        ("stream 20k events per second from Kafka to Snowflake", Etl),
        ("compute 200 features from 5 million rows", FeatureEngineering),
        ("score 10 million rows with XGBoost every night", Generic),
        ("something that runs hourly", Generic),
        ("host Qwen2 7B for 2 parallel users", Serving),
        ("score transactions in real time with gradient boosting, 80 requests per second", Serving),
    ],
)
def test_the_verb_tells_the_kind(sentence, kind):
    """What is done to the data or the model decides the class of the description."""
    assert isinstance(describe(sentence).description, kind)


def test_every_figure_of_a_language_model_is_read():
    """Model, concurrency, tokens, objective and residency all come from one sentence."""
    said = describe(
        "serve Llama 3 70B in 4-bit to 64 concurrent users, prompts of 1,000 tokens and 200 output "
        "tokens, p99 under 20 seconds, data must stay in the EU"
    )
    description = said.description
    assert isinstance(description, Serving)
    assert description.model.parameters == 70e9
    assert description.model.precision == "int4"
    assert (description.prompt_tokens, description.output_tokens) == (1000, 200)
    assert description.concurrent_requests == 64
    assert (description.latency_objective_ms, description.latency_percentile) == (20_000, 99)
    assert description.locality.residency == ("EU",)


def test_decimal_and_binary_volumes_differ():
    """50 GB are 46.6 GiB, and 50 GiB are 50."""
    decimal = describe("load 50 GB of csv").description
    binary = describe("load 50 GiB of csv").description
    assert isinstance(decimal, Etl)
    assert isinstance(binary, Etl)
    assert decimal.source.volume_gib == pytest.approx(50e9 / 2**30)
    assert binary.source.volume_gib == 50


def test_a_stream_has_a_rate_and_a_record_size():
    """Rate and size of a record are no volume."""
    stream = describe("stream 20k events per second of 2 KB per event from Kafka").description
    assert isinstance(stream, Etl)
    assert (stream.streaming, stream.records_per_s, stream.record_bytes) == (True, 20_000, 2000)
    assert stream.source.volume_gib is None


def test_what_is_unknown_is_asked_and_machines_never_are():
    """A bare sentence brings questions about data, model and cadence, none about hardware."""
    questions = " ".join(describe("train a model").questions)
    assert "How large is the data" in questions
    assert "Which model" in questions
    assert not {"GPU", "cores", "memory"} & set(questions.split())


def test_a_full_sentence_leaves_nothing_open():
    """Who says all is asked nothing."""
    said = describe("XGBoost on 2 million rows of parquet every 6 hours, finish within 30 minutes")
    assert said.questions == ()


def test_the_same_sentence_gives_the_same_description():
    """The parser has no state and no chance."""
    sentence = "weekly random forest with 500 trees on 3 GB of csv"
    assert describe(sentence) == describe(sentence)


def test_an_empty_sentence_is_refused():
    """Nothing to read: the error shows what to write."""
    with pytest.raises(DescriptionError, match="empty"):
        describe("  ")


def test_figures_that_contradict_are_refused():
    """0 rows of 3 GB: the description's own check speaks."""
    with pytest.raises(DescriptionError, match="rows is 0"):
        describe("train XGBoost on 0 rows, 3 GB")


@pytest.mark.parametrize(
    ("sentence", "regions"),
    [
        (
            "serve a churn model at 50 rps to users in Frankfurt",
            ("eu-central-1", "germanywestcentral", "europe-west3"),
        ),
        (
            "serve BERT at 20 rps from Zürich and Oslo",
            ("eu-central-2", "switzerlandnorth", "europe-west6", "norwayeast"),
        ),
        ("serve BERT at 20 rps to users in ap-south-1", ("ap-south-1",)),
    ],
)
def test_users_are_where_the_sentence_says(sentence, regions):
    """A place has a region of each cloud; and then nobody is asked where the users are."""
    said = describe(sentence)
    assert isinstance(said.description, Serving)
    assert regions == said.description.user_regions
    assert not [question for question in said.questions if "users" in question]


@pytest.mark.parametrize(
    ("sentence", "region"),
    [
        ("join 300 GB of data that lies in S3 in Tokyo every night", "ap-northeast-1"),
        ("aggregate 2 TB daily, the data lies in BigQuery in Sydney", "australia-southeast1"),
        ("load 5 GB of csv, data stored in azure in Frankfurt", "germanywestcentral"),
        ("load 5 GB of csv, data stored in Frankfurt", None),
        ("load 5 GB of csv, data stored in azure in Virginia", None),
        ("load 5 GB of csv into Redshift, data stored in sa-east-1", "sa-east-1"),
    ],
)
def test_data_lies_where_the_sentence_says(sentence, region):
    """A place of a named cloud is a region if it has one there, and no more."""
    assert region == describe(sentence).description.locality.data_region


@pytest.mark.parametrize(
    ("sentence", "joins"),
    [
        ("join 300 GB of parquet every night", 1),
        ("join 5 million rows every night", 1),
        ("join 3 tables of 20 GB every night", 3),
        ("transform 20 GB with 4 joins", 4),
        ("transform 20 GB, joins: 12", 12),
    ],
)
def test_an_amount_of_data_is_no_number_of_joins(sentence, joins):
    """Though it stands right behind the verb."""
    description = describe(sentence).description
    assert isinstance(description, Etl)
    assert joins == description.joins
