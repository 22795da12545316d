"""
Reads a task description out of one English sentence, by rules.

The same sentence always gives the same description. What the sentence does not say stays unknown,
and comes back as questions whose answers would narrow the profile most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from aiops_provider.domain.places import known_regions, places_in, regions_at
from aiops_provider.domain.residency import Jurisdiction, regions_within
from aiops_provider.domain.workload import TASK_DESCRIPTION, TaskDescription
from aiops_provider.errors import DescriptionError
from aiops_provider.profiling import sentence_figures as figures
from aiops_provider.profiling.sentence_models import candidate_in

_SERVING = (
    r"serv(?:e|es|ing)|endpoint|chatbot|chat|assistant|online inference|real-?time inference|deploy\w*|host(?:s|ing)?|expose\w*|"
    r"inference api|rps|qps|requests?|queries per|predictions? (?:per|a)\b|concurrent|latency"
)
_BATCH_INFERENCE = r"batch (?:inference|scoring|predict\w+)|scor(?:e|es|ing)|offline inference"
_TRAINING = (
    r"(?:re|pre)?-?train(?:s|ing|ed)?|fine-?tun\w+|lora|qlora|fit(?:s|ting)?|hyper-?parameter|"
    r"automl|learn\w*"
)
_FEATURES = r"features? (?:engineering|store|computation|table|pipeline)|(?:comput|build|deriv|calculat)\w* (?:\w+ ){0,3}features?"
_ETL = (
    r"etl|elt|load\w*|cop(?:y|ies|ying)|ingest\w*|join\w*|aggregat\w*|transform\w*|stream\w*|sync\w*|"
    r"mov(?:e|es|ing)|export\w*|import\w*|dedup\w*|clean\w*|convert\w*|merg\w+|replicat\w+|extract\w*|"
    r"migrat\w+|compact\w*|backfill\w*|dbt|query|queries|report|cdc|parse\w*|partition\w*"
)
_STREAMING = r"stream\w*|kafka|kinesis|pub/?sub|event ?hub|real-?time|cdc|flink"
_SYSTEMS = {
    "snowflake": "snowflake", "bigquery": "bigquery", "redshift": "redshift",
    "databricks": "databricks", "synapse": "synapse", "postgres": "postgresql",
    "postgresql": "postgresql", "mysql": "mysql", "oracle": "oracle", "sql server": "mssql",
    "redis": "redis", "dynamodb": "dynamodb", "cassandra": "cassandra", "mongodb": "mongodb",
    "s3": "s3", "gcs": "gs", "adls": "abfss", "hdfs": "hdfs", "kafka": "kafka",
    "kinesis": "kinesis", "pubsub": "pubsub",
}  # fmt: skip
_SYSTEM = "|".join(sorted(_SYSTEMS, key=len, reverse=True))
_FORMATS = r"parquet|csv|tsv|jsonl|json|xml|avro|orc|delta|iceberg|arrow|images?|pictures|photos|dicom|jpe?g|png|video|audio|wav|text"
_FORMAT_NAMES = {"image": "jpeg", "images": "jpeg", "pictures": "jpeg", "photos": "jpeg"}
_REGION = re.compile(r"\b[a-z]{2,}(?:-[a-z]+)+-?\d+\b|\b[a-z]+(?:us|europe|uk)\d?\b", re.IGNORECASE)
# Names and systems of a cloud, and the form of its regions.
_CLOUDS = (
    (r"aws|amazon|s3|redshift|dynamodb|kinesis|glue", r"[a-z]{2}-[a-z]+-\d"),
    (r"azure|microsoft|adls|abfss|synapse", r"[a-z]+\d?"),
    (r"gcp|google|gcs|bigquery|pub/?sub", r"[a-z]+-[a-z]+\d+"),
)
_AREAS: tuple[tuple[str, Jurisdiction], ...] = (
    (r"\bgdpr\b|\b(?:the )?(?:eu|europe|european union)\b", "EU"),
    (r"\b(?:the )?(?:uk|united kingdom|britain)\b", "UK"),
    (r"\b(?:the )?(?:us|usa|united states)\b", "US"),
    (r"\b(?:ch|switzerland)\b", "CH"),
)
# One sentence, and no figure beyond any data set (1e15 rows).
_MOST_CHARACTERS, _MOST_DIGITS = 500, 15
_STAYS = r"(?:stay|remain|kept?|reside|leave|residency|gdpr)"
_NUMBER_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "a": 1}


@dataclass(frozen=True, slots=True)
class Said:
    """
    What a sentence says.

    Attributes:
        description: As far as it could be read.
        questions: What it leaves open, the most useful first; for people.
    """

    description: TaskDescription
    questions: tuple[str, ...] = ()


def describe(sentence: str) -> Said:
    """
    A description, and the questions it leaves open.

    Never asks for machines: cores, memory and accelerators are what the profile answers.

    Args:
        sentence: English, such as ``nightly XGBoost on 50 GB of claims``.

    Raises:
        DescriptionError: The sentence is empty, or its figures contradict each other.

    >>> said = describe("nightly XGBoost on 50 GB of claims")
    >>> said.description.kind, round(said.description.dataset.volume_gib, 1)
    ('training', 46.6)
    >>> said.questions[0]
    'How many rows and columns does the data have, and in which format?'
    """
    text = " ".join(sentence.split())
    if not text:
        raise DescriptionError(
            "the sentence is empty", mend='Write one such as "nightly XGBoost on 50 GB of claims".'
        )
    if len(text) > _MOST_CHARACTERS or re.search(rf"\d{{{_MOST_DIGITS + 1}}}", text):
        raise DescriptionError(
            f"the sentence has more than {_MOST_CHARACTERS} characters, or a number of more than "
            f"{_MOST_DIGITS} digits",
            mend="Say it in one short sentence, large numbers as 5 million or 2 TB.",
        )
    kind = _kind(text)
    said = {"kind": kind, **_common(text, kind), **_READERS[kind](text)}
    try:
        description = TASK_DESCRIPTION.validate_python(said)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        raise DescriptionError(
            detail["msg"].removeprefix("Value error, "),
            field=".".join(str(key) for key in detail["loc"][1:]) or None,
            value=text,
            mend="Correct the figure in the sentence.",
        ) from error
    return Said(description, tuple(_questions(text, kind, said)))


def _kind(text: str) -> str:
    def says(words: str) -> bool:
        return re.search(rf"\b(?:{words})(?!\w)", text, re.IGNORECASE) is not None

    serving, training = _place(_SERVING, text), _place(_TRAINING, text)
    batch = _place(_BATCH_INFERENCE, text)
    answers = figures.requests_per_s(text) is not None or figures.concurrent(text) is not None
    if batch is not None and not answers and (serving is None or batch < serving):
        return "generic"
    if answers and figures.records_per_s(text) is None and candidate_in(text) is not None:
        return "serving"
    # "Train a model to serve …" trains; "serve a fine-tuned model" serves: the first verb decides.
    streams = says(r"stream\w*|kafka|kinesis|cdc") or figures.records_per_s(text) is not None
    model = candidate_in(text) is not None
    if serving is not None and not (streams and not model):
        return "serving" if training is None or serving < training else "training"
    if training is not None and not says(r"training data|training set"):
        return "training"
    return _kind_of_data(text, model=model, streams=streams)


def _kind_of_data(text: str, *, model: bool, streams: bool) -> str:
    """The kind where no verb of training or serving decides."""
    if _place(_FEATURES, text) is not None:
        return "feature_engineering"
    if model:
        return "training"
    return "etl" if _place(_ETL, text) is not None or streams else "generic"


def _place(words: str, text: str) -> int | None:
    match = re.search(rf"\b(?:{words})(?!\w)", text, re.IGNORECASE)
    return match.start() if match else None


def _common(text: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    every = figures.every_s(text)
    if every is not None:
        found["cadence"] = {"every_s": every}
    deadline = None if kind == "serving" else figures.deadline_s(text)
    if deadline is not None:
        found["sla"] = {"deadline_s": deadline}
    locality: dict[str, Any] = {}
    areas = _areas(text) if re.search(_STAYS, text, re.IGNORECASE) else []
    if areas:
        locality["residency"] = areas
    if kind != "serving" and (data_region := _data_region(text)):
        locality["data_region"] = data_region
    return {**found, **({"locality": locality} if locality else {})}


def _etl(text: str) -> dict[str, Any]:
    source, target = _places(text)
    found: dict[str, Any] = {"source": _dataset(text, source)}
    if target:
        found["target"] = {"location": target}
    rate = figures.records_per_s(text)
    if rate is not None or re.search(rf"\b(?:{_STREAMING})\b", text, re.IGNORECASE):
        found |= {"streaming": True, "records_per_s": rate}
        found["record_bytes"] = figures.record_bytes(text)
    found["joins"] = _counted(text, r"joins?|tables? join", r"join\w*")
    found["aggregations"] = _counted(
        text, r"aggregations?", r"aggregat\w*|group\w* by|sums?|report"
    )
    return found


def _feature_engineering(text: str) -> dict[str, Any]:
    count = figures.count_of(text, "features?")
    return {
        "source": _dataset(text, _places(text)[0]),
        "features": round(count) if count else None,
    }


def _training(text: str) -> dict[str, Any]:
    total, _, _ = figures.tokens(text)
    epochs = figures.count_of(text, "epochs?|passes")
    candidate = candidate_in(text)
    return {
        "dataset": _dataset(text, _places(text)[0]),
        "candidates": [candidate] if candidate else "unknown",
        "tokens": total,
        "epochs": round(epochs) if epochs else None,
    }


def _serving(text: str) -> dict[str, Any]:
    _, prompt, output = figures.tokens(text)
    near = _regions(text) or [region for place in places_in(text) for region in regions_at(place)]
    if not near and re.search(r"users|customers", text, re.IGNORECASE):
        near = [region for area in _areas(text) for region in regions_within((area,))]
    return {
        "model": candidate_in(text) or {},
        "requests_per_s": figures.requests_per_s(text),
        "concurrent_requests": figures.concurrent(text),
        "latency_objective_ms": figures.latency_ms(text),
        "latency_percentile": figures.percentile(text) or 95.0,
        "prompt_tokens": prompt,
        "output_tokens": output,
        "user_regions": near,
    }


def _generic(text: str) -> dict[str, Any]:
    volumes = figures.volumes_gib(text)
    candidate = candidate_in(text)
    return {
        "operator": "batch inference" if re.search(_BATCH_INFERENCE, text, re.IGNORECASE) else None,
        "parameters": {"model": candidate["name"]} if candidate else {},
        "input_gib": volumes[0] if volumes else None,
        "input_rows": figures.rows(text),
    }


_READERS = {
    "etl": _etl,
    "feature_engineering": _feature_engineering,
    "training": _training,
    "serving": _serving,
    "generic": _generic,
}


def _dataset(text: str, location: str | None) -> dict[str, Any]:
    volumes = figures.volumes_gib(text)
    match = re.search(rf"\b({_FORMATS})\b", text, re.IGNORECASE)
    name = match[1].lower() if match else None
    return {
        "location": location,
        "volume_gib": volumes[0] if volumes else None,
        "rows": figures.rows(text),
        "format": _FORMAT_NAMES.get(name, name) if name else None,
    }


def _places(text: str) -> tuple[str | None, str | None]:
    """Where it reads and where it writes: URLs or the names of known systems."""
    url = r"[a-z0-9+]+://[^\s,;]+"

    def after(words: str) -> str | None:
        match = re.search(
            rf"\b(?:{words})\s+(?:(?:the|a|an|our)\s+)?(?:\w+\s+)?({url}|(?:{_SYSTEM})\b)",
            text,
            re.IGNORECASE,
        )
        if not match:
            return None
        return match[1] if "://" in match[1] else f"{_SYSTEMS[match[1].lower()]}:"

    source, target = after("from|in|on|over"), after("to|into")
    if source is None and target is None:
        match = re.search(rf"{url}|\b(?:{_SYSTEM})\b", text, re.IGNORECASE)
        if match:
            source = match[0] if "://" in match[0] else f"{_SYSTEMS[match[0].lower()]}:"
    return source, target


def _regions(text: str) -> list[str]:
    return known_regions(match[0].lower() for match in _REGION.finditer(text))


def _data_region(text: str) -> str | None:
    """Where the data lies: a region that is named, else the only one of a named cloud at a place."""
    said = re.search(r"\b(?:data|lies|stored|bucket|lake)\b(.*)", text, re.IGNORECASE)
    if said is None:
        return None
    named = _regions(said[1])
    if named:
        return named[0]
    at_place = [
        region
        for place in places_in(said[1])
        for region in regions_at(place)
        if any(
            re.search(rf"\b(?:{words})\b", text, re.IGNORECASE) and re.fullmatch(form, region)
            for words, form in _CLOUDS
        )
    ]
    return at_place[0] if len(at_place) == 1 else None


def _areas(text: str) -> list[Jurisdiction]:
    without_regions = _REGION.sub(" ", text)
    return [area for words, area in _AREAS if re.search(words, without_regions, re.IGNORECASE)]


def _counted(text: str, nouns: str, verbs: str) -> int | None:
    count = figures.count_of(text, nouns)
    if count is not None:
        return round(count)
    words = "|".join(_NUMBER_WORDS)
    match = re.search(rf"\b({words})\s+(?:\w+\s+)?(?:{nouns})\b", text, re.IGNORECASE)
    if match:
        return _NUMBER_WORDS[match[1].lower()]
    return 1 if re.search(rf"\b(?:{verbs})\b", text, re.IGNORECASE) else None


def _questions(text: str, kind: str, said: dict[str, Any]) -> list[str]:
    if kind == "serving":
        return _serving_questions(said)
    asked = _generic_questions(said) if kind == "generic" else _data_questions(said)
    if kind == "training" and said["candidates"] == "unknown":
        asked.append("Which model is trained: trees, a linear model, or a network of what size?")
    if said.get("streaming"):
        return asked
    if "cadence" not in said:
        asked.append("How often does it run?")
    elif re.search(r"\b(?:nightly|overnight|daily)\b", text, re.IGNORECASE):
        asked.append("At which hour (UTC) does it start?")
    if "sla" not in said:
        asked.append("By when must a run be over?")
    return asked


def _generic_questions(said: dict[str, Any]) -> list[str]:
    asked = []
    if said["operator"] is None:
        asked.append("Does it move data, compute features, train a model, or serve one?")
    if said["input_gib"] is None and said["input_rows"] is None:
        asked.append("How large is its input, in GB or rows?")
    return asked


def _data_questions(said: dict[str, Any]) -> list[str]:
    if said.get("streaming"):
        asked = []
        if said["records_per_s"] is None:
            asked.append("How many records arrive per second?")
        if said["record_bytes"] is None:
            asked.append("How many bytes does one record have?")
        return asked
    data = said.get("dataset") or said["source"]
    if said.get("tokens") is not None:
        return []
    if data["volume_gib"] is None and data["rows"] is None:
        return ["How large is the data, in GB or rows?"]
    if data["rows"] is None or data["format"] is None:
        return ["How many rows and columns does the data have, and in which format?"]
    return []


def _serving_questions(said: dict[str, Any]) -> list[str]:
    asked = []
    model = said["model"]
    if not model:
        asked.append("Which model is served, and how many parameters has it?")
    if said["requests_per_s"] is None and said["concurrent_requests"] is None:
        asked.append("How many requests come per second, or at once?")
    if said["latency_objective_ms"] is None:
        asked.append("How quickly must a request be answered, and in what share of cases?")
    language = (model.get("parameters") or 0) >= 5e8
    if language and (said["prompt_tokens"] is None or said["output_tokens"] is None):
        asked.append("How many tokens have a prompt and an answer?")
    if not said["user_regions"]:
        asked.append("Where are the users?")
    return asked
