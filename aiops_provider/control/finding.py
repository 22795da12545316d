"""What a check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing that was checked.

    Attributes:
        check: What was looked at.
        verdict: How bad it is.
        detail: What was found, one sentence without secrets.
        mend: What to do; empty when there is nothing to do.
        input_error: Whether a file or variable must be mended, rather than a service.
    """

    check: str
    verdict: Verdict
    detail: str
    mend: str = ""
    input_error: bool = False


def fine(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check=check, verdict=Verdict.OK, detail=detail)


def warned(check: str, detail: str, mend: str) -> Finding:
    """It works, but not as one would want."""
    return Finding(check=check, verdict=Verdict.WARN, detail=detail, mend=mend)


def failed(check: str, detail: str, mend: str, *, input_error: bool = False) -> Finding:
    """It does not work."""
    return Finding(
        check=check, verdict=Verdict.FAIL, detail=detail, mend=mend, input_error=input_error
    )


def exit_status(findings: list[Finding]) -> int:
    """0: nothing failed; 2: somebody must mend the configuration first; 1: something else failed."""
    bad = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    if not bad:
        return 0
    return 2 if any(finding.input_error for finding in bad) else 1
