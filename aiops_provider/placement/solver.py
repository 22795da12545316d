"""
Solves a model: HiGHS through PuLP, CBC where HiGHS is missing.

What counts is the best plan found (the incumbent) and the value that no plan can beat (the bound).
Both are read from the solver itself: PuLP's status says "Optimal" also when a time limit stopped
the search.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiops_provider.errors import PlanError
from aiops_provider.placement.model import Model

# The planner runs beside the host's own processes: it takes one core, and one thread makes the
# search repeatable.
_THREADS = 1
_LEAST_TIME_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """
    What a solver found out about a minimisation.

    Attributes:
        values: Share of each option in the incumbent; ``None`` if none was found.
        objective: Of the incumbent; infinite if there is none.
        bound: No solution is below this; minus infinity if nothing was proven.
        infeasible: Proven: there is no solution.
        more_machines: Machines that are missing, by cluster and pool, if that was asked.
        more_budget: USD per hour that are missing, if that was asked.
        worth: How much the objective would fall for one more machine, by cluster and pool; only of
            a relaxation.
        solver: Its name.
        solve_s: Its time in seconds.
    """

    values: tuple[float, ...] | None
    objective: float
    bound: float
    infeasible: bool
    more_machines: Mapping[tuple[str, str], float]
    more_budget: float
    worth: Mapping[tuple[str, str], float]
    solver: str
    solve_s: float


def solve(
    model: Model,
    *,
    time_limit_s: float,
    gap_tolerance: float = 0.0,
    relaxed: bool = False,
    solver: str | None = None,
) -> Solution:
    """
    Minimise.

    Args:
        model: As built; it is not changed apart from PuLP's own notes in it.
        time_limit_s: Stop after this many seconds with what there is.
        gap_tolerance: Relative distance of incumbent and bound that is good enough.
        relaxed: Ignore that some variables are integer; the solution then has dual values.
        solver: ``HiGHS`` or ``CBC``; default: the first of these that is installed.

    Raises:
        PlanError: If no solver is installed.
    """
    name = solver or available_solver()
    limit = max(time_limit_s, _LEAST_TIME_S)
    started = time.perf_counter()
    run = _run_highs if name == "HiGHS" else _run_cbc
    found = run(model, limit, gap_tolerance, relaxed)
    return Solution(
        values=found.values,
        objective=found.objective,
        bound=found.bound - model.constant_slack,
        infeasible=found.infeasible,
        more_machines={key: _value(extra) for key, extra in model.more_machines.items()},
        more_budget=_value(model.more_budget),
        worth=_worth(model, found.duals),
        solver=name,
        solve_s=time.perf_counter() - started,
    )


def available_solver() -> str:
    """
    Name of the solver that will be used.

    Raises:
        PlanError: If there is none.
    """
    from importlib.util import find_spec

    if find_spec("highspy") is not None:
        return "HiGHS"
    if _cbc() is not None:
        return "CBC"
    raise PlanError("No solver is installed; pip install 'aiops-provider[engine]' brings HiGHS.")


@dataclass(frozen=True, slots=True)
class _Found:
    values: tuple[float, ...] | None = None
    objective: float = math.inf
    bound: float = -math.inf
    infeasible: bool = False
    duals: tuple[float, ...] = ()


def _run_highs(model: Model, limit_s: float, gap: float, relaxed: bool) -> _Found:
    import highspy
    import pulp

    lp = model.lp
    lp.solverModel = quiet_highs()
    for option, value in {
        "time_limit": limit_s,
        "mip_rel_gap": gap,
        "mip_abs_gap": 1e-9,  # costs may be small: the default of 1e-6 USD an hour is not nothing
        # By default whole numbers may be off by 1e-6: at a level of everything a group then leaves that much
        # on a pool where it must not be.
        "mip_feasibility_tolerance": 1e-7,
        "threads": _THREADS,
        "random_seed": 0,
    }.items():
        lp.solverModel.setOptionValue(option, value)
    pulp.HiGHS(mip=not relaxed, msg=False).buildSolverModel(lp)
    _give_start(model)
    lp.solverModel.run()
    status = lp.solverModel.getModelStatus()
    info, solution = lp.solverModel.getInfo(), lp.solverModel.getSolution()
    infeasible = status == highspy.HighsModelStatus.kInfeasible
    done = status == highspy.HighsModelStatus.kOptimal
    variables = lp.variables()
    continuous = relaxed or not any(variable.cat == "Integer" for variable in variables)
    # A search has a solution of use before its end, a linear program only at the end.
    feasible = solution.value_valid and info.primal_solution_status == _HIGHS_FEASIBLE
    if not feasible or (continuous and not done):
        return _Found(
            bound=-math.inf if continuous else float(info.mip_dual_bound), infeasible=infeasible
        )
    # Each look at these attributes copies the whole vector.
    columns, row_duals = list(solution.col_value), list(solution.row_dual)
    for variable in variables:
        variable.varValue = columns[variable.index]
    objective = float(info.objective_function_value)
    if model.start and abs(float(pulp.value(lp.objective)) - objective) > _SAME * max(
        1.0, abs(objective)
    ):
        # HiGHS 1.16 may improve a start in its reduced space, and report that objective with the
        # start itself.
        return _run_highs(replace(model, start=[]), limit_s, gap, relaxed)
    duals = (abs(float(row_duals[row.index])) for _, row in model.capacity)
    return _Found(
        values=_values(model),
        objective=objective,
        bound=objective if continuous else float(info.mip_dual_bound),
        duals=tuple(duals) if continuous else (),
    )


def _give_start(model: Model) -> None:
    if not model.start:
        return
    import highspy

    solution = highspy.HighsSolution()
    values = [0.0] * len(model.lp.variables())
    for variable, value in model.start:
        values[variable.index] = value
    solution.col_value = values
    model.lp.solverModel.setSolution(solution)


_SAME = 1e-6
_HIGHS_FEASIBLE = 2  # kSolutionStatusFeasible


def quiet_highs() -> Any:
    """HiGHS without its banner, which would stand in the middle of our JSON output."""
    import highspy

    class QuietHighs(highspy.Highs):  # type: ignore[misc]  # highspy has no types
        def __init__(self) -> None:
            # The constructor of Highs turns on callbacks, and that is what prints the banner.
            highspy.Highs.__base__.__init__(self)
            self.setOptionValue("output_flag", False)

    return QuietHighs()


def _run_cbc(model: Model, limit_s: float, gap: float, relaxed: bool) -> _Found:
    import pulp

    lp = model.lp
    with TemporaryDirectory(prefix="aiops-cbc-") as folder:
        log_file = Path(folder) / "log"
        cbc = pulp.COIN_CMD(
            path=_cbc(),
            mip=not relaxed,
            msg=False,
            timeLimit=limit_s,
            gapRel=gap,
            logPath=str(log_file),
        )
        cbc.tmpDir = folder
        lp.solve(cbc)
        log_text = log_file.read_text(encoding="utf-8", errors="replace")
    infeasible = lp.sol_status == pulp.LpSolutionInfeasible and "infeasible" in log_text.lower()
    stopped = "Stopped on" in log_text
    found = lp.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    bound = _cbc_bound(log_text)
    if not found or (relaxed and stopped):
        return _Found(bound=bound, infeasible=infeasible)
    objective = float(pulp.value(lp.objective) or 0.0)
    return _Found(
        values=_values(model),
        objective=objective,
        bound=objective if bound == -math.inf and not stopped else bound,
        duals=tuple(abs(row.pi or 0.0) for _, row in model.capacity) if relaxed else (),
    )


def _cbc_bound(log_text: str) -> float:
    """
    The bound as CBC's last lines state it; minus infinity where they do not.

    It is printed with three digits only, so half a unit of the last one is taken off.
    """
    found = re.findall(r"^Lower bound:\s+(-?\d+(?:\.\d+)?)", log_text, re.MULTILINE)
    return float(found[-1]) - 0.0005 if found else -math.inf


def _cbc() -> str | None:
    import shutil

    from pulp.apis import PULP_CBC_CMD

    bundled = getattr(PULP_CBC_CMD, "pulp_cbc_path", None)
    if bundled and Path(bundled).exists():
        return str(bundled)
    return shutil.which("cbc")


def _values(model: Model) -> tuple[float, ...]:
    return tuple(_value(share) for share in model.shares)


def _value(variable: Any) -> float:
    return float(variable.varValue or 0.0) if variable is not None else 0.0


def _worth(model: Model, duals: tuple[float, ...]) -> dict[tuple[str, str], float]:
    """One more machine raises each of its pool's limits by what it holds of that resource."""
    worth: dict[tuple[str, str], float] = {}
    for (limit, _), dual in zip(model.capacity, duals, strict=False):
        key = (limit.cluster, limit.pool)
        worth[key] = worth.get(key, 0.0) + dual * limit.per_machine / limit.amount
    return worth
