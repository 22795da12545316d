"""Parameters that botocore itself finds valid, and that AWS' own limits allow."""

from __future__ import annotations

import botocore.session
import pytest
from botocore.validate import ParamValidator

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_export import aws


def check(service: str, operation: str, parameters: dict) -> None:
    """By the model of the service that boto3 sends requests with; patterns and enums too."""
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), report.generate_report()
    for name, value in parameters.items():
        member = shape.members[name]
        if member.metadata.get("enum"):
            assert value in member.metadata["enum"]
        if name == "ScheduledActionName":
            assert not set(value) & set(":/|")


def test_the_floor_of_a_group_moves(schedule):
    actions = aws.group_actions(schedule, group="claims")
    for action in actions:
        check("autoscaling", "PutScheduledUpdateGroupAction", action)
    assert actions[0] == {
        "AutoScalingGroupName": "claims",
        "ScheduledActionName": "aiops-0855-mon-tue-wed-thu-fri-10",
        "Recurrence": "55 8 * * 1,2,3,4,5",
        "TimeZone": "Europe/Berlin",
        "MinSize": 10,
    }
    assert [action["MinSize"] for action in actions] == [10, 1]


def test_the_reaction_of_a_group(schedule):
    policy = aws.group_reaction(schedule, group="claims")
    check("autoscaling", "PutScalingPolicy", policy)
    assert policy["EstimatedInstanceWarmup"] == 300


def test_a_maximum_goes_along_if_one_was_said(make):
    limited = make(maximum=12)
    assert {a["MaxSize"] for a in aws.group_actions(limited, group="g")} == {12}
    action = aws.service_actions(limited, resource="service/c/s")[0]
    assert action["ScalableTargetAction"] == {"MinCapacity": 10, "MaxCapacity": 12}


@pytest.mark.parametrize(
    ("resource", "namespace"),
    [("service/prod/claims", "ecs"), ("endpoint/claims/variant/all", "sagemaker")],
)
def test_services_take_six_fields(schedule, resource, namespace):
    assert aws.is_service(resource)
    actions = aws.service_actions(schedule, resource=resource)
    for action in actions:
        check("application-autoscaling", "PutScheduledAction", action)
    assert actions[0]["ServiceNamespace"] == namespace
    assert actions[0]["Schedule"] == "cron(55 8 ? * MON,TUE,WED,THU,FRI *)"


def test_the_names_of_a_schedule_are_its_own(restless):
    """An action of the same name would replace the first one in silence."""
    actions = aws.service_actions(restless, resource="service/c/s")
    assert len({action["ScheduledActionName"] for action in actions}) == len(actions)


def test_more_than_aws_takes_is_refused(restless):
    with pytest.raises(DataError, match="125") as refused:
        aws.group_actions(restless, group="g")
    assert "change_cost_hours" in str(refused.value)


def test_names_that_are_none(schedule):
    with pytest.raises(DataError, match="group"):
        aws.group_actions(schedule, group=" ")
    with pytest.raises(DataError, match="resource"):
        aws.service_actions(schedule, resource="table/x")
