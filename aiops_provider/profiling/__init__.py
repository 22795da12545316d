"""
What will this task need? Priors, own history, and a request sized by the cost of being wrong.

The room knows nothing of hosts, clusters or stores: descriptions and finished runs come in,
profiles go out. It is pure Python, because schedulers import it. Figures are per run, over the
whole process tree, each with the unit in its name, an interval, its source and a reason.

Predictors stand behind one protocol (``estimate.Predictor``): closed forms over the description
(``priors``) and the task's own runs (``own_history``). ``profiler.Profiler`` blends them.
"""

from __future__ import annotations

from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.estimate import Estimate, Learner, Predictor
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.profiling.request import request_for

__all__ = ["Estimate", "Learner", "Predictor", "ProfileBook", "Profiler", "request_for"]
