"""Inside the real training loops; those of libraries that are not installed are skipped loudly."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("default")  # the libraries' own

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4))
Y = (X[:, 0] + 0.1 * RNG.normal(size=400) > 0).astype(int)
REASON = "run in tox -e callbacks"


def library(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=REASON)


def of(samples, name: str) -> list[tuple[str, float]]:
    return [(s["dimensions"]["batch"], s["value"]) for s in samples if s["name"] == name]


def after_three(number, metrics) -> bool:
    return number == 3


class TestScikitLearn:
    def batches(self, count):
        return [(X[i * 20 : (i + 1) * 20], Y[i * 20 : (i + 1) * 20]) for i in range(count)]

    def test_each_batch_is_judged_before_it_is_learned(self, reported):
        """A batch of wrong labels shows in that very batch."""
        sklearn = library("sklearn.linear_model")
        from aiops_provider.telemetry.training import fit_in_batches

        bad = (X[180:200], 1 - Y[180:200])
        batches = [*self.batches(9), bad]
        model = fit_in_batches(
            sklearn.SGDClassifier(random_state=0), batches, classes=[0, 1], model="sgd"
        )
        assert model.coef_.shape == (1, 4)
        precision = of(reported(), "batch_precision")
        assert [number for number, _ in precision] == [str(n) for n in range(1, 10)]
        assert precision[-2][1] > 0.7
        assert precision[-1][1] < 0.3

    def test_it_stops_where_it_is_asked_to(self, reported):
        """And nowhere else."""
        sklearn = library("sklearn.linear_model")
        from aiops_provider.telemetry.training import fit_in_batches

        batches = iter(self.batches(10))
        fit_in_batches(
            sklearn.SGDRegressor(random_state=0), batches, stop_when=after_three, model="sgd"
        )
        assert len(list(batches)) == 6
        assert len(of(reported(), "batch_mae")) == 3


class TestXGBoost:
    def train(self, rounds=6, **options):
        xgboost = library("xgboost")
        from aiops_provider.telemetry.training import XGBoostReporter

        data = xgboost.DMatrix(X, Y)
        results: dict = {}
        booster = xgboost.train(
            {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "nthread": 1},
            data,
            rounds,
            evals=[(data, "train")],
            evals_result=results,
            verbose_eval=False,
            callbacks=[XGBoostReporter(model="xgboost", **options)],
        )
        return booster, results

    def test_each_round_is_reported(self, reported):
        """With the figures that the library itself keeps."""
        _, results = self.train()
        samples = reported()
        assert of(samples, "batch_loss") == [
            (str(n), pytest.approx(v)) for n, v in enumerate(results["train"]["logloss"])
        ]
        assert len(of(samples, "batch_auc")) == 6
        assert {s["dimensions"]["data"] for s in samples} == {"train"}

    def test_it_stops_only_when_asked(self, reported):
        """By the library's own way."""
        assert self.train()[0].num_boosted_rounds() == 6
        assert self.train(stop_when=after_three)[0].num_boosted_rounds() == 4

    def test_cross_validation_reports_the_mean(self, reported):
        """Its log has pairs instead of numbers."""
        xgboost = library("xgboost")
        from aiops_provider.telemetry.training import XGBoostReporter

        found = xgboost.cv(
            {"objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1},
            xgboost.DMatrix(X, Y),
            3,
            nfold=2,
            as_pandas=False,
            callbacks=[XGBoostReporter()],
        )
        told = [
            (s["dimensions"]["batch"], s["value"])
            for s in reported()
            if s["dimensions"]["data"] == "test"
        ]
        assert told == [
            (str(n), pytest.approx(v)) for n, v in enumerate(found["test-logloss-mean"])
        ]


class TestLightGBM:
    def train(self, **options):
        lightgbm = library("lightgbm")
        from aiops_provider.telemetry.training import LightGBMReporter

        recorded: dict = {}
        data = lightgbm.Dataset(X, Y)
        booster = lightgbm.train(
            {"objective": "binary", "verbose": -1, "num_threads": 1},
            data,
            6,
            valid_sets=[data],
            valid_names=["train"],
            callbacks=[
                lightgbm.record_evaluation(recorded),
                LightGBMReporter(model="lightgbm", **options),
            ],
        )
        return booster, recorded

    def test_each_round_is_reported(self, reported):
        """With the figures that the library itself records."""
        _, recorded = self.train()
        assert of(reported(), "batch_loss") == [
            (str(n), pytest.approx(v)) for n, v in enumerate(recorded["train"]["binary_logloss"])
        ]

    def test_it_stops_only_when_asked(self, reported):
        """As its own early stopping does."""
        assert self.train()[0].current_iteration() == 6
        booster, _ = self.train(stop_when=after_three)
        assert (booster.current_iteration(), booster.best_iteration) == (4, 4)


class TestKeras:
    def fit(self, **options):
        keras = library("keras")
        from aiops_provider.telemetry.training import KerasReporter

        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
        model.compile(optimizer="sgd", loss="binary_crossentropy", metrics=["precision"])
        history = model.fit(
            X,
            Y,
            epochs=2,
            batch_size=100,
            validation_split=0.25,
            verbose=0,
            callbacks=[KerasReporter(model="keras", **options)],
        )
        return history.history

    def test_each_batch_is_reported_over_all_epochs(self, reported):
        """The last of an epoch is what Keras says of the epoch; validation has KPIs of its own."""
        history = self.fit()
        samples = reported()
        losses = of(samples, "batch_loss")
        assert [number for number, _ in losses] == [str(n) for n in range(6)]
        assert [losses[2][1], losses[5][1]] == pytest.approx(history["loss"], rel=1e-4)
        assert len(of(samples, "batch_precision")) == 6
        validation = [s["value"] for s in samples if s["name"] == "validation_loss"]
        assert validation == pytest.approx(history["val_loss"], rel=1e-4)

    def test_it_stops_only_when_asked(self, reported):
        """Before the second epoch ends."""
        assert len(self.fit()["loss"]) == 2
        self.fit(stop_when=lambda number, metrics: number == 1)
        assert len(of(reported(), "batch_loss")) < 12


class TestLightning:
    def fit(self, tmp_path, **options):
        torch = library("torch")
        lightning = library("lightning.pytorch")
        from aiops_provider.telemetry.training import LightningReporter

        class Module(lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(4, 1)
                self.seen = []

            def _loss(self, batch):
                x, y = batch
                return torch.nn.functional.binary_cross_entropy_with_logits(
                    self.layer(x).squeeze(1), y
                )

            def training_step(self, batch):
                loss = self._loss(batch)
                self.seen.append(float(loss.detach()))
                self.log("train_precision", 0.5, on_step=True)
                return loss

            def validation_step(self, batch):
                self.log("val_loss", self._loss(batch))

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)

        data = torch.utils.data.TensorDataset(
            torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)
        )
        module = Module()
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            callbacks=[LightningReporter(model="lightning", **options)],
        )
        loader = torch.utils.data.DataLoader(data, batch_size=100)
        trainer.fit(module, loader, loader)
        return module, trainer

    def test_each_batch_is_reported_over_all_epochs(self, reported, tmp_path):
        """The very losses of the steps; validation has KPIs of its own."""
        module, _ = self.fit(tmp_path)
        samples = reported()
        assert of(samples, "batch_loss") == [
            (str(n), pytest.approx(v, rel=1e-4)) for n, v in enumerate(module.seen)
        ]
        assert len(of(samples, "batch_precision")) == 8
        validated = [s["dimensions"]["epoch"] for s in samples if s["name"] == "validation_loss"]
        assert validated == ["0", "1"]

    def test_it_stops_only_when_asked(self, reported, tmp_path):
        """By the trainer's own flag."""
        assert self.fit(tmp_path)[1].global_step == 8
        assert self.fit(tmp_path, stop_when=lambda n, m: n == 1)[1].global_step < 8


def test_naming_the_package_loads_no_library():
    """A worker that trains with one library needs no other."""
    code = (
        "import sys, aiops_provider.telemetry.training as t\n"
        "t.BatchReporter\n"
        "print(set(sys.modules) & {'xgboost', 'lightgbm', 'keras', 'torch', 'sklearn', 'numpy'})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "set()"
