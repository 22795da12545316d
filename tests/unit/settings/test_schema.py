"""The JSON Schema agrees with what is accepted, and every key is explained."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError

from aiops_provider.settings.schema import Settings


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = {model}
    for field in model.model_fields.values():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found |= _models(inner)
    return found


def test_schema_knows_every_key():
    """An editor offers every key of every section."""
    schema = Settings.model_json_schema()
    assert set(schema["properties"]) == set(Settings.model_fields)
    assert schema["additionalProperties"] is False


def test_mode_may_be_one_word_in_the_schema():
    """What is accepted as short form is also valid for an editor."""
    mode = Settings.model_json_schema()["properties"]["mode"]
    assert {"enum": ["observe", "advise", "enforce"]} in mode["anyOf"]
    assert {"$ref": "#/$defs/ModeSettings"} in mode["anyOf"]


@pytest.mark.parametrize("model", sorted(_models(Settings), key=lambda model: model.__name__))
def test_numbers_are_bounded_and_explained(model):
    """Each figure has bounds, so that no unit or sign can be mistaken without a message."""
    for name, field in model.model_fields.items():
        if field.annotation in (float, int):
            assert field.metadata, f"{model.__name__}.{name}"


def test_settings_are_frozen():
    """Nobody changes settings while others work with them."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().enabled = False


def test_secrets_are_masked_in_text():
    """Neither the store's URL nor the token secret shows in a repr."""
    settings = Settings.model_validate(
        {"store": "postgresql://me:hush@db/x", "server": {"token_secret": "hush" * 10}}
    )
    assert "hush" not in repr(settings)
    assert "hush" not in settings.model_dump_json()


@pytest.mark.parametrize("place", ["capacity", "machine"])
def test_an_unknown_accelerator_is_named_with_the_nearest(place):
    """Field, value and nearest names, wherever machines are described."""
    machine = {"cores": 8, "memory_gib": 32, "accelerators": {"A100-80": 1}}
    cluster = {"name": "a", "kind": "local"}
    cluster |= (
        {"capacity": machine}
        if place == "capacity"
        else {"pools": [{"name": "p", "machine": machine}]}
    )
    with pytest.raises(ValidationError, match=r"'A100-80'.*Did you mean A100-80GB"):
        Settings.model_validate({"clusters": [cluster]})


def test_an_accelerator_may_go_by_any_of_its_names():
    """Pools offer the model that the name stands for, with its memory."""
    machine = {"cores": 8, "memory_gib": 32, "accelerators": {"nvidia-tesla-t4": 2}}
    settings = Settings.model_validate(
        {"clusters": [{"name": "a", "kind": "local", "capacity": machine}]}
    )
    held = settings.cluster_specs[0].pools[0].machine
    assert held.accelerators == {"T4": 2}
    assert held.accelerator_memory_gib == {"T4": 16.0}


def test_a_listed_machine_type_tells_the_memory_of_its_accelerators():
    """By its row, else by the datasheet."""
    pools = [{"instance_type": "g5.xlarge"}]
    settings = Settings.model_validate(
        {"clusters": [{"name": "a", "kind": "local", "provider": "aws", "pools": pools}]}
    )
    held = settings.cluster_specs[0].pools[0].machine
    assert 22 <= held.accelerator_memory_gib["A10G"] <= 24
