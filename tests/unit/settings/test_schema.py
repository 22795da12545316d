"""The JSON Schema agrees with what is accepted, and every key is explained."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import BaseModel

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
