"""
Every error that a user of the package can meet, each saying who can mend it.

::

    AiopsError
    ├── ConfigurationError          whoever wrote aiops.yaml or the environment: mend the named field
    ├── DescriptionError            whoever described the task: mend the named field
    ├── DataError                   whoever sent the file or sample: mend the named row or field
    │   └── KpiRejectedError        the reporting task: the sample was refused, nothing was stored
    ├── StoreError
    │   ├── StoreUnreachableError   the operator: the database does not answer
    │   └── StoreNotMigratedError   the operator: run ``aiops db upgrade``
    ├── ClusterError
    │   ├── ClusterUnreachableError the router: choose another cluster
    │   └── ClusterRefusedError     the router: this cluster cannot take this task
    ├── InfeasibleError             whoever sized the task or the clusters: no cluster can ever take it
    ├── CatalogError                whoever refreshes: a cloud's price list does not answer; the old stays
    ├── MetricsError                whoever runs the monitoring: a source of cluster metrics is silent
    ├── PlanError                   the planner: the old plan stays in force
    ├── RuleError                   whoever wrote the rules file
    └── TokenError                  the caller of the API: no token, or none that is valid
        └── TokenScopeError         the caller of the API: a valid token without this right
"""

from __future__ import annotations


class AiopsError(Exception):
    """Something went wrong inside aiops_provider."""

    exit_status = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class _UserMendableError(AiopsError):
    """Input that its author can mend; nothing was changed."""

    exit_status = 2

    def __init__(
        self,
        problem: str | None = None,
        *,
        field: str | None = None,
        value: object = None,
        mend: str | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        self.problem = problem or type(self).__doc__ or ""
        self.field, self.value, self.mend, self.file, self.line = field, value, mend, file, line
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        named = f"{field}: " if field else ""
        given = f" (got {value!r})" if value is not None else ""
        cure = f". {mend}" if mend else ""
        super().__init__(f"{place}{named}{self.problem}{given}{cure}")


class ConfigurationError(_UserMendableError):
    """The configuration cannot be used."""


class DescriptionError(_UserMendableError):
    """The task description cannot be used."""


class DataError(_UserMendableError):
    """The data cannot be used."""


class KpiRejectedError(DataError):
    """The KPI sample was refused; nothing was stored."""


class StoreError(AiopsError):
    """The store failed."""


class StoreUnreachableError(StoreError):
    """The store does not answer."""

    exit_status = 2


class StoreNotMigratedError(StoreError):
    """The store's schema is not the one this version needs; run `aiops db upgrade`."""

    exit_status = 2


class ClusterError(AiopsError):
    """A cluster failed."""


class ClusterUnreachableError(ClusterError):
    """The cluster does not answer."""


class ClusterRefusedError(ClusterError):
    """The cluster refused the task."""


class InfeasibleError(_UserMendableError):
    """No cluster can ever take this task."""


class CatalogError(AiopsError):
    """A cloud's list of machines or prices could not be fetched; the old catalogue stays."""


class MetricsError(AiopsError):
    """A source of cluster metrics does not answer; it is asked again later."""


class PlanError(AiopsError):
    """No plan could be made; the one in force stays."""


class RuleError(_UserMendableError):
    """The rules file cannot be used."""


class TokenError(AiopsError):
    """The token is missing, expired, forged or lacks this right."""

    exit_status = 2


class TokenScopeError(TokenError):
    """The token is valid but lacks this right."""
