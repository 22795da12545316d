"""The part of aiops.yaml that says how the engines work: profiling, planning, detection, routing."""

from __future__ import annotations

from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from aiops_provider.domain.alarm import Severity
from aiops_provider.settings.problem import SettingError
from aiops_provider.settings.section import Section

Probability = Annotated[float, Field(gt=0, lt=1)]


class ForecasterSettings(Section):
    """A forecaster of another library that takes part in forecasts of demand."""

    name: str = Field(
        min_length=1,
        description="`statsforecast`, `chronos`, `timesfm`, or one of another package.",
    )
    model: str | None = Field(
        None, description="Which model of it: a name of statsforecast's, or a folder with a model."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="What else it takes.")


class ProfilingSettings(Section):
    """How requests are sized from profiles."""

    failure_cost_factor: float = Field(
        10.0, gt=0, description="Cost of a run killed for memory, in multiples of the run itself."
    )
    history_half_life_days: float = Field(30.0, gt=0, description="Age at which a run counts half.")
    history_half_life_runs: float = Field(
        30.0,
        gt=0,
        description="Later runs after which a run counts half; it counts the less of the two.",
    )
    minimum_runs: int = Field(1, ge=1, description="Finished runs before own history is used.")
    forecasters: tuple[ForecasterSettings, ...] = Field(
        (),
        description="Forecasters that take part in capacity schedules, beside the built-in ones.",
    )


class PlanningSettings(Section):
    """When and how the offline plan is made."""

    period_s: float = Field(3600.0, gt=0, description="Seconds between plans.")
    time_limit_s: float = Field(25.0, gt=0, description="Of the solver.")
    gap_tolerance: float = Field(0.005, ge=0, lt=1, description="Relative gap that is good enough.")
    switching_cost_usd: float = Field(
        0.0, ge=0, description="A new plan must save more than this an hour."
    )
    interference_file: str | None = Field(
        None,
        description="By how much tasks slow one another on one machine (CSV: task, beside, slowdown, "
        "accelerator).",
    )
    most_slowdown: float = Field(
        1.2,
        ge=1,
        description="Tasks that take more than this multiple of their time beside each other share "
        "no reservation, unless they hardly ever meet.",
    )
    most_meetings: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Share of its runs that may meet tasks which slow it more than that, by the hours "
        "at which they run; 0: none, whatever their hours.",
    )


class ChannelSettings(Section):
    """One place where people are told of super-alarms, by an Apprise URL, which holds secrets."""

    url_file: str | None = Field(None, description="File with the URL, read for each message.")
    url_variable: str | None = Field(
        None, description="Environment variable with the URL, instead of a file."
    )
    least_severity: Severity = Field(
        Severity.WARNING, description="Less urgent ones are not told: info, warning or critical."
    )
    owners: tuple[str, ...] = Field(
        (),
        description="Only super-alarms with one of these owners (see `owner` of rules); empty: all.",
    )

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if (self.url_file is None) == (self.url_variable is None):
            raise SettingError(
                "needs exactly one of url_file and url_variable",
                at=("url_file",),
                mend="Name the file or the variable that holds the Apprise URL.",
            )
        return self


class DetectionSettings(Section):
    """How deviations become alarms."""

    period_s: float = Field(60.0, gt=0, description="Seconds between evaluations.")
    false_discovery_rate: Probability = 0.05
    minimum_history: int = Field(8, ge=3, description="Samples of a series before it is judged.")
    history_days: float = Field(400.0, gt=0, description="How far back baselines look.")
    time_zone: str = Field(
        "UTC",
        description="Whose clock says what the same time of another day is, e.g. Europe/Oslo.",
    )
    holidays: str | None = Field(
        None,
        pattern="^[A-Z]{2}(-[A-Z0-9]{1,5})?$",
        description="Country or part of one (NO, DE-BY) whose public holidays are like Sundays.",
    )
    rules_file: str | None = Field(None, description="Expert rules (YAML).")
    quarantine_s: float = Field(3600.0, gt=0, description="How long a quarantine lasts.")
    hold_after_clusters: int = Field(
        3, ge=2, description="A task failing on this many clusters is not failed over any more."
    )
    dry_run: bool = Field(False, description="Decide responses but apply none.")
    notify: dict[str, ChannelSettings] = Field(
        default_factory=dict, description="Who is told of super-alarms, by names of your choice."
    )

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SettingError(
                "is no time zone known here",
                value=name,
                mend="Write one such as Europe/Oslo; without zone data: pip install tzdata.",
            ) from error
        return name

    @field_validator("holidays", mode="before")
    @classmethod
    def _norway_is_no_falsehood(cls, code: object) -> object:
        if code is False:
            raise SettingError(
                "is read as `false`, as YAML does with NO", mend='Quote it: holidays: "NO".'
            )
        return code


class RoutingSettings(Section):
    """How the router reacts to failing clusters."""

    refresh_s: float = Field(2.0, gt=0, description="Seconds between looks at the store.")
    probe_period_s: float = Field(2.0, gt=0, description="Seconds between health probes.")
    probe_timeout_s: float = Field(2.0, gt=0)
    breaker_open_s: float = Field(
        30.0, gt=0, description="A lost cluster is tried again after this long."
    )
    choose_again_s: float = Field(
        10.0, gt=0, description="A task that waits for room is placed anew after each of these."
    )
    fence_after_s: float = Field(
        10.0,
        ge=0,
        description="A cluster that is unreachable this long is lost to tasks that say "
        "on_cluster_loss: fence_and_rerun.",
    )
    max_fail_overs: int = Field(3, ge=0, description="Other clusters tried for one try of a task.")
    wait_for_saving: float = Field(
        0.1,
        ge=0,
        le=1,
        description="A task with a deadline waits for a cheaper cluster, as long as the deadline "
        "allows, if that is expected to save this share of its cost; 1: no task waits.",
    )
    move_running: bool = Field(
        True,
        description="Move running tasks that write checkpoints to a cheaper cluster that has room "
        "again; under Airflow those that also say on_cluster_loss: fence_and_rerun.",
    )
    max_moves: int = Field(3, ge=0, description="So often one run of a task is moved at most.")
    move_restart_s: float = Field(
        60.0, ge=0, description="Until a moved task is as far again as its last checkpoint."
    )
