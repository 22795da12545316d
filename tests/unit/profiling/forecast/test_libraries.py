"""Forecasters of other libraries inside those libraries; the models of two are tiny and know nothing."""

from __future__ import annotations

import numpy as np
import pytest

from aiops_provider.errors import ConfigurationError
from aiops_provider.profiling.forecast import ForecasterSpec, forecast_demand, open_forecasters

# Libraries that warn at import are not ours to mend.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def demand() -> np.ndarray:
    hours = np.arange(24 * 28)
    daily = 30 * np.sin(2 * np.pi * hours / 24)
    return 100 + daily + np.random.default_rng(3).normal(0, 3, len(hours))


def opened(name, **fields):
    return open_forecasters([ForecasterSpec(name=name, **fields)])[0]


@pytest.mark.parametrize("model", ["MSTL", "AutoETS", "AutoTheta", "AutoARIMA"])
def test_statsforecast_forecasts_the_cycle(demand, model):
    """Each of its models is within the noise of the day to come."""
    pytest.importorskip("statsforecast", reason="run in tox -e forecasters")
    forecaster = opened("statsforecast", model=model)
    # ARIMA of a season of 24 takes long on a longer past.
    past = demand[-24 * 8 : -24]
    answer = forecaster.forecast(past, 24, (24,))
    assert answer.shape == (24,)
    assert np.abs(answer - demand[-24:]).mean() < 6
    np.testing.assert_array_equal(answer, forecaster.forecast(past, 24, (24,)))


def test_statsforecast_takes_part(demand):
    """Compared with ours on past origins."""
    pytest.importorskip("statsforecast", reason="run in tox -e forecasters")
    made = forecast_demand(demand, 24, others=[opened("statsforecast")])
    assert "statsforecast MSTL" in made.method or "statsforecast MSTL" in made.reason
    assert made.p10.max() < made.p90.max()


def test_a_long_season_is_left_to_mstl(demand):
    """The others would take minutes."""
    pytest.importorskip("statsforecast", reason="run in tox -e forecasters")
    with pytest.raises(ValueError, match="168 steps is too long for AutoETS"):
        opened("statsforecast", model="AutoETS").forecast(demand, 24, (168,))


def tiny_t5(**more):
    from transformers import T5Config

    return T5Config(
        d_model=16,
        d_ff=16,
        d_kv=8,
        num_heads=2,
        num_layers=1,
        num_decoder_layers=1,
        decoder_start_token_id=0,
        pad_token_id=0,
        **more,
    )


def tiny_bolt(folder):
    from chronos.chronos_bolt import ChronosBoltModelForForecasting

    config = tiny_t5(vocab_size=2)
    config.chronos_config = {
        "context_length": 256,
        "prediction_length": 32,
        "input_patch_size": 16,
        "input_patch_stride": 16,
        "quantiles": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        "use_reg_token": True,
    }
    config.chronos_pipeline_class = "ChronosBoltPipeline"
    config.architectures = ["ChronosBoltModelForForecasting"]
    ChronosBoltModelForForecasting(config).save_pretrained(folder)


def tiny_first_generation(folder):
    from transformers import T5ForConditionalGeneration

    config = tiny_t5(vocab_size=64, eos_token_id=1)
    config.chronos_config = {
        "tokenizer_class": "MeanScaleUniformBins",
        "tokenizer_kwargs": {"low_limit": -15.0, "high_limit": 15.0},
        "context_length": 128,
        "prediction_length": 32,
        "n_tokens": 64,
        "n_special_tokens": 2,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "use_eos_token": True,
        "model_type": "seq2seq",
        "num_samples": 5,
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
    }
    T5ForConditionalGeneration(config).save_pretrained(folder)


@pytest.mark.parametrize("tiny", [tiny_bolt, tiny_first_generation])
def test_chronos_answers(demand, tmp_path, tiny):
    """A folder is loaded and asked; a model that knows nothing takes part and does no harm."""
    torch = pytest.importorskip("torch", reason="run in tox -e forecasters")
    pytest.importorskip("chronos", reason="run in tox -e forecasters")
    torch.manual_seed(1)
    tiny(tmp_path)
    forecaster = opened("chronos", model=str(tmp_path))
    drawn = torch.random.get_rng_state()
    answer = forecaster.forecast(demand, 24, (24,))
    assert answer.shape == (24,)
    assert np.isfinite(answer).all()
    np.testing.assert_array_equal(answer, forecaster.forecast(demand, 24, (24,)))
    assert torch.equal(drawn, torch.random.get_rng_state())
    made = forecast_demand(demand, 24, others=[forecaster])
    assert np.abs(made.p50 - (100 + 30 * np.sin(2 * np.pi * np.arange(24) / 24))).mean() < 6


def test_timesfm_answers(demand, tmp_path, monkeypatch):
    """The real library with a small model of the same kind."""
    torch = pytest.importorskip("torch", reason="run in tox -e forecasters")
    timesfm = pytest.importorskip("timesfm", reason="run in tox -e forecasters")
    from dataclasses import replace

    from timesfm.timesfm_2p5 import timesfm_2p5_torch as library

    module = library.TimesFM_2p5_200M_torch_module
    full = module.config
    stack = full.stacked_transformers
    small = replace(
        full,
        tokenizer=replace(full.tokenizer, hidden_dims=32, output_dims=32),
        stacked_transformers=replace(
            stack,
            num_layers=1,
            transformer=replace(stack.transformer, model_dims=32, hidden_dims=32, num_heads=2),
        ),
        output_projection_point=replace(
            full.output_projection_point, input_dims=32, hidden_dims=32
        ),
        output_projection_quantiles=replace(
            full.output_projection_quantiles, input_dims=32, hidden_dims=32
        ),
    )
    monkeypatch.setattr(module, "config", small)
    torch.manual_seed(1)
    timesfm.TimesFM_2p5_200M_torch(torch_compile=False).save_pretrained(tmp_path)
    forecaster = opened("timesfm", model=str(tmp_path))
    for horizon in (24, 168, 24):
        answer = forecaster.forecast(demand, horizon, (24,))
        assert answer.shape == (horizon,)
        assert np.isfinite(answer).all()
    assert forecast_demand(demand, 24, others=[forecaster]).p50.shape == (24,)


@pytest.mark.parametrize("name", ["chronos", "timesfm"])
def test_a_folder_without_a_model_is_told(tmp_path, name):
    """By name of the folder."""
    pytest.importorskip(name, reason="run in tox -e forecasters")
    with pytest.raises(ConfigurationError, match=r"profiling\.forecasters\.model"):
        opened(name, model=str(tmp_path))
