"""
What a task needs by its description alone: closed forms with published or stated constants.

Every figure is a prior: right within a factor, with an interval that says so. Own runs replace it
quickly (see ``blend``). The figures are for one try, over its whole process tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import (
    Etl,
    FeatureEngineering,
    Generic,
    Serving,
    TaskDescription,
    Training,
)
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.priors.etl import etl_prior, feature_engineering_prior
from aiops_provider.profiling.priors.generic import generic_prior
from aiops_provider.profiling.priors.serving import serving_prior
from aiops_provider.profiling.priors.training import training_prior

__all__ = ["AnalyticPrior"]


class AnalyticPrior:
    """
    Chooses the closed form by the kind of the description.

    It answers for every task, described or not, and looks at no outcome; of the history it reads
    only the operator's name and the input's size where the description has none.
    """

    name = "prior"

    def predict(
        self,
        task: TaskKey,  # noqa: ARG002 – a name says nothing about need
        description: TaskDescription | None,
        history: Sequence[ExecutionRecord],
        *,
        now: datetime,  # noqa: ARG002 – a closed form does not age
    ) -> Estimate | None:
        """Estimate from the description."""
        return _closed_form(description, history).within_limits()


def _closed_form(
    description: TaskDescription | None, history: Sequence[ExecutionRecord]
) -> Estimate:
    match description:
        case Etl():
            return etl_prior(description)
        case FeatureEngineering():
            return feature_engineering_prior(description)
        case Training():
            return training_prior(description)
        case Serving():
            return serving_prior(description)
        case Generic():
            return generic_prior(description)
        case _:
            operator = history[-1].operator if history else None
            return generic_prior(Generic(operator=operator))
