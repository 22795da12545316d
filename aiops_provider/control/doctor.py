"""
Is this installation in order, and if not, what is to be done?

Each check tells what it found in one sentence and, unless all is well, what to do; one that fails
does not keep the others from being made. Nothing is changed.
"""

from __future__ import annotations

import logging
import os
import platform
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from aiops_provider import __version__
from aiops_provider.control.doctor_metrics import check_metrics
from aiops_provider.control.doctor_prices import check_prices
from aiops_provider.control.doctor_services import check_clocks, check_clusters, check_server
from aiops_provider.control.finding import Finding, failed, fine, warned
from aiops_provider.control.host_facts import HostFacts, ask_host
from aiops_provider.control.installation import SECRET_VARIABLE, Installation
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import AiopsError, StoreError, StoreNotMigratedError
from aiops_provider.settings.load import find_config, inspect_settings
from aiops_provider.settings.schema import Settings

log = logging.getLogger(__name__)

# Lowest version that is supported, and the first that is not, as in pyproject.toml.
_SUPPORTED = {"airflow": ((3, 2), (3, 4)), "prefect": ((3, 7, 7), (4,))}
_AIRFLOW_MEND = (
    "Set [core] executor = aiops_provider.airflow.AiopsExecutor in every component of Airflow."
)


def examine(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """
    Make every check that can be made here.

    Args:
        environ: The environment; ``AIOPS_CONFIG`` names the configuration file.

    Returns:
        Findings in the order in which one would mend them.
    """
    findings = [
        fine("package", f"aiops_provider {__version__} on Python {platform.python_version()}")
    ]
    hosts = [facts for name in _SUPPORTED if (facts := ask_host(name, environ)) is not None]
    findings += _guarded("host", lambda: _check_hosts(hosts))
    airflow = next((facts for facts in hosts if facts.name == "airflow"), None)
    file = find_config(airflow.text("config_file") if airflow else None, environ)
    settings, problems = inspect_settings(file, environ)
    findings += [
        failed("settings", str(problem), problem.mend or "Mend it.", input_error=True)
        for problem in problems
    ]
    if settings is None:
        return findings
    findings.append(fine("settings", str(file) if file else "no aiops.yaml: the defaults hold"))
    try:
        installation = Installation.open(
            settings,
            default_store_url=airflow.text("store_url") if airflow else None,
            default_token_secret=airflow.text("token_secret") if airflow else None,
        )
    except AiopsError as error:
        mend = "Mend the settings as it says."
        return [*findings, failed("store", str(error), mend, input_error=True)]
    try:
        findings += _examine_opened(installation, settings, airflow, environ)
    finally:
        installation.close()
    return findings


def _examine_opened(
    installation: Installation,
    settings: Settings,
    airflow: HostFacts | None,
    environ: Mapping[str, str],
) -> list[Finding]:
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "store": lambda: _check_store(installation),
        "clocks": lambda: check_clocks(installation),
        "clusters": lambda: check_clusters(installation),
        "metrics": lambda: check_metrics(installation),
        "prices": lambda: check_prices(settings, utc_now().date()),
        "token secret": lambda: _check_secret(installation, settings, environ),
        "server": lambda: check_server(installation, mounted=airflow is not None),
    }
    return [finding for name, check in checks.items() for finding in _guarded(name, check)]


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    findings: list[Finding] = []
    try:
        for finding in check():
            findings.append(finding)  # noqa: PERF402 - what came before a failure counts
    except Exception as error:
        # A doctor that falls ill at the first check is no help with the others.
        log.debug("Check %s failed", name, exc_info=True)
        detail = f"the check itself failed: {type(error).__name__}: {error}"
        findings.append(failed(name, detail, "Run `aiops -v doctor` and report what it logs."))
    return findings


def _check_hosts(hosts: list[HostFacts]) -> Iterator[Finding]:
    if not hosts:
        yield warned(
            "host",
            "neither Airflow nor Prefect is installed here",
            "pip install 'aiops-provider[airflow]' or 'aiops-provider[prefect]', if this is where "
            "one of them runs.",
        )
    for facts in hosts:
        low, high = _SUPPORTED[facts.name]
        if low <= _release(facts.version) < high:
            yield fine("host", f"{facts.name} {facts.version}")
        else:
            supported = f">={'.'.join(map(str, low))},<{'.'.join(map(str, high))}"
            yield failed(
                "host",
                f"{facts.name} {facts.version} is not supported",
                f"Install {facts.name}{supported}.",
            )
        yield _check_door(facts)


def _check_door(facts: HostFacts) -> Finding:
    check = "executor" if facts.name == "airflow" else "worker"
    if facts.error:
        return failed(
            check,
            f"{facts.name} cannot load it: {facts.error}",
            f"pip install 'aiops-provider[{facts.name}]' into the environment of {facts.name}.",
        )
    if facts.name == "prefect":
        if facts.text("api_url") is None:
            return warned(
                check,
                "work-pool type aiops can be loaded; no PREFECT_API_URL is set",
                "Set PREFECT_API_URL to that of your Prefect server.",
            )
        return fine(
            check, f"work-pool type aiops can be loaded; the API is {facts.text('api_url')}"
        )
    configured = facts.said.get("executors")
    names = [str(name).strip() for name in configured] if isinstance(configured, list) else []
    if any(name.startswith("aiops_provider.airflow") for name in names):
        return fine(check, f"Airflow uses {', '.join(names)}, which can be loaded")
    return warned(check, f"Airflow uses {', '.join(names)}, so nothing is placed", _AIRFLOW_MEND)


def _check_store(installation: Installation) -> Iterator[Finding]:
    store = installation.require_store()
    try:
        store.check()
    except StoreNotMigratedError as error:
        yield failed("store", str(error), "aiops db upgrade")
    except StoreError as error:
        yield failed("store", str(error), "Start the database or mend `store` in aiops.yaml.")
    else:
        yield fine("store", f"{store.url_redacted} answers, at revision {store.revision()}")


def _check_secret(
    installation: Installation, settings: Settings, environ: Mapping[str, str]
) -> Iterator[Finding]:
    check = "token secret"
    if settings.server.token_secret is not None:
        yield fine(check, "set in the settings")
    elif environ.get(SECRET_VARIABLE):
        yield fine(check, f"set in {SECRET_VARIABLE}")
    elif installation.secret_file is None:
        # Raises, and says what to do, where there is none.
        yield fine(check, f"taken from the host ({len(installation.token_secret)} characters)")
    else:
        yield _check_secret_file(installation.secret_file)


def _check_secret_file(file: Path) -> Finding:
    check = "token secret"
    if not file.exists():
        return fine(check, f"will be made at first use: {file}")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        return failed(
            check, f"others may read {file} (mode {mode:o})", f"chmod 600 {file}", input_error=True
        )
    return fine(check, f"kept in {file}, readable by its owner only")


def _release(text: str) -> tuple[int, ...]:
    """
    The numbers of a version.

    >>> _release("3.3.2rc1")
    (3, 3, 2)
    """
    numbers: list[int] = []
    for part in text.split("."):
        digits = "".join(
            part[: next((i for i, c in enumerate(part) if not c.isdigit()), len(part))]
        )
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
