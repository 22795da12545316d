"""Tells Airflow what this distribution offers."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Provider metadata, in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "aiops-provider",
        "name": "AIOps",
        "description": (
            "Profiles ML workloads, places them over several clouds, "
            "detects and root-causes what goes wrong."
        ),
        "integrations": [
            {
                "integration-name": "AIOps",
                "external-doc-url": "https://aiops-provider.readthedocs.io",
                "tags": ["software"],
            }
        ],
        "executors": ["aiops_provider.airflow.executor.AiopsExecutor"],
        "db-managers": ["aiops_provider.airflow.db_manager.AiopsDBManager"],
        "task-decorators": [
            {"name": "aiops", "class-name": "aiops_provider.airflow.decorator.aiops_task"},
            {
                "name": "aiops_branch",
                "class-name": "aiops_provider.airflow.kpi_branch_decorator.aiops_branch_task",
            },
        ],
        "connection-types": [
            {
                "connection-type": "aiops",
                "hook-class-name": "aiops_provider.airflow.hook.AiopsHook",
                "hook-name": "AIOps",
                "conn-fields": {
                    "timeout_s": {
                        "label": "Time limit (seconds)",
                        "schema": {"type": ["number", "null"], "default": 30},
                        "description": "How long an answer may take.",
                    },
                    "verify": {
                        "label": "Verify TLS certificate",
                        "schema": {"type": ["boolean", "null"], "default": True},
                        "description": "Whether the server's certificate is checked.",
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "schema", "port"],
                    "relabeling": {"host": "Address of the API", "password": "Token"},
                    "placeholders": {
                        "host": "https://airflow.example/aiops",
                        "password": "aiops token create --scope read",
                    },
                },
            }
        ],
        "cli": ["aiops_provider.airflow.provider_info.get_cli_commands"],
        "config": {
            "aiops": {
                "description": "The AIOps layer; everything else stands in aiops.yaml.",
                "options": {
                    "config_file": {
                        "description": "Path of aiops.yaml; without it AIOPS_CONFIG and the "
                        "working directory are looked at, then the defaults hold.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/opt/airflow/aiops.yaml",
                        "default": None,
                    },
                    "enabled": {
                        "description": "When False, every task runs on the fallback cluster and "
                        "nothing is decided or recorded.",
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                },
            }
        },
    }


def get_cli_commands() -> list[Any]:
    """None: our command is `aiops`. Without this, Airflow loads the executor to ask, and warns."""
    return []
