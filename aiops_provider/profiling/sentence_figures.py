"""Figures in a sentence: volumes, counts, rates, times, each with its unit as people write it."""

from __future__ import annotations

import re

from aiops_provider.domain.units import BYTES_PER_GIB

_NUMBER = r"(\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9,
           "billion": 1e9, "t": 1e12, "trillion": 1e12}  # fmt: skip
_SCALE = r"\s*-?(k|thousand|mn|million|m|bn|billion|b|trillion|t)?"
_BYTES = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15}
_BINARY_BYTES = {"k": 2.0**10, "m": 2.0**20, "g": 2.0**30, "t": 2.0**40, "p": 2.0**50}
_VOLUME = re.compile(
    _NUMBER + r"\s*-?([kmgtp])(i?)b(?:ytes?)?\b(?!\s*(?:of\s+)?(?:gpu|vram|ram|memory|device))",
    re.IGNORECASE,
)
_NO_AMOUNT = r"(?![.,]?\d)(?!\s*-?(?:[kmgtp]i?b(?:ytes?)?|[kmbt]n?|thousand|million|billion|trillion|rows|records)\b)"
_SECONDS = {"ms": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0,
            "minute": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0,
            "week": 604800.0, "month": 2592000.0}  # fmt: skip
_UNIT = r"\s*-?(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|hours?|h|days?|weeks?|months?)\b"
_PER = r"\s*(?:/|per|an?|each|every)\s*(second|sec|s|minute|min|hour|h|day|d|week|month)\b"
_REQUESTS = r"(?:requests?|queries|predictions?|calls?|inferences?|images?|messages?|transactions?)"
_RECORDS = r"(?:events?|records?|messages?|rows?|readings?|clicks?|transactions?)"
_ROWS = r"(?:rows?|records?|samples?|examples?|images?|pictures?|scans?|documents?|claims?|users?|customers?|conversations?|instructions?|points?|transactions?|reviews?|photos?|clips?|pairs?|sentences?)"


def volumes_gib(text: str) -> list[float]:
    """
    Volumes in GiB, in their order; GB are decimal, GiB binary, and sizes of one record are left out.

    >>> [round(gib, 2) for gib in volumes_gib("50 GB of claims, 2 KB per record, 16 GiB of logs")]
    [46.57, 16.0]
    """
    each = re.compile(r"\s*(?:/|per|each|an?\s+(?:event|record))", re.IGNORECASE)
    return [
        _bytes(match) / BYTES_PER_GIB
        for match in _VOLUME.finditer(text)
        if not each.match(text, match.end())
    ]


def record_bytes(text: str) -> float | None:
    """Size of one record: ``1 KB per event``, ``events of 500 bytes``."""
    match = re.search(_NUMBER + r"\s*bytes?\b", text, re.IGNORECASE)
    if match:
        return _value(match[1])
    for match in _VOLUME.finditer(text):
        if re.match(
            rf"\s*(?:/|per|each|an?)\s*(?:{_RECORDS})?", text[match.end() :], re.IGNORECASE
        ) and not re.match(
            r"\s*(?:/|per)\s*(?:day|d\b|hour|h\b|s)", text[match.end() :], re.IGNORECASE
        ):
            return _bytes(match)
    return None


def rows(text: str) -> int | None:
    """
    Number of rows, images, documents; rates are left out.

    >>> rows("10 million rows"), rows("2.5k images"), rows("300 records per second")
    (10000000, 2500, None)
    """
    for match in re.finditer(
        _NUMBER + _SCALE + r"\s+(?:\w+\s+)?" + _ROWS + r"\b", text, re.IGNORECASE
    ):
        concurrent = re.search(r"concurrent|simultaneous|parallel", match[0], re.IGNORECASE)
        if not concurrent and not re.match(_PER, text[match.end() :], re.IGNORECASE):
            return round(_scaled(match))
    return None


def parameters(text: str) -> float | None:
    """
    Weights of a model: ``7B``, ``340M parameters``, ``llama-3-8b``.

    >>> parameters("fine-tune a 7B model"), parameters("1 billion rows")
    (7000000000.0, None)
    """
    match = re.search(
        _NUMBER
        + r"\s*-?(k|m|million|b|bn|billion|t|trillion)\s*-?(?:parameters?|params|weights)\b",
        text,
        re.IGNORECASE,
    )
    if match:
        return _scaled(match)
    # "8x7B": a mixture of experts holds all of them.
    match = re.search(r"(?<![\w.])(\d+)x(\d+(?:\.\d+)?)b\b", text, re.IGNORECASE)
    if match:
        return float(match[1]) * float(match[2]) * 1e9
    for match in re.finditer(r"(?<![\d.])(\d+(?:\.\d+)?)-?b(?![a-z0-9])", text, re.IGNORECASE):
        if not re.match(
            rf"\s+(?:\w+\s+)?(?:{_ROWS}|tokens?)\b", text[match.end() :], re.IGNORECASE
        ):
            return float(match[1]) * 1e9
    return None


def requests_per_s(text: str) -> float | None:
    """
    Rate of requests: ``100 rps``, ``2k requests per second``, ``1 million predictions a day``.

    >>> requests_per_s("3,600 requests per hour"), requests_per_s("50 QPS")
    (1.0, 50.0)
    """
    match = re.search(_NUMBER + _SCALE + r"\s*(?:rps|qps|tps|req/s)\b", text, re.IGNORECASE)
    if match:
        return _scaled(match)
    return _rate(text, _REQUESTS)


def records_per_s(text: str) -> float | None:
    """Arrival rate of a stream: ``20k events per second``."""
    return _rate(text, _RECORDS)


def concurrent(text: str) -> float | None:
    """Requests at once: ``64 concurrent users``, ``200 simultaneous requests``."""
    match = re.search(
        _NUMBER + _SCALE + r"\s*(?:concurrent|simultaneous|parallel)\b", text, re.IGNORECASE
    )
    match = match or re.search(
        r"concurrency(?:\s+of)?\s+" + _NUMBER + _SCALE + r"\b", text, re.IGNORECASE
    )
    return _scaled(match) if match else None


def latency_ms(text: str) -> float | None:
    """
    Time in which a request must be answered.

    >>> latency_ms("p99 under 100 ms"), latency_ms("answers within 2 seconds")
    (100.0, 2000.0)
    """
    limits = r"(?:under|below|within|in|<=?|less than|at most|latency(?:\s+of)?|p\d+(?:\s+of)?)\s*"
    match = re.search(limits + _NUMBER + _UNIT, text, re.IGNORECASE)
    match = match or re.search(_NUMBER + _UNIT + r"\s*(?:p\d\d|latency)", text, re.IGNORECASE)
    return _value(match[1]) * _seconds(match[2]) * 1000 if match else None


def percentile(text: str) -> float | None:
    """``p99`` or ``95th percentile``."""
    match = re.search(r"\bp(\d{2}(?:\.\d+)?)\b|\b(\d{2})th percentile", text, re.IGNORECASE)
    return float(match[1] or match[2]) if match else None


def deadline_s(text: str) -> float | None:
    """
    Time by which a run must be over.

    >>> deadline_s("must finish within 2 hours")
    7200.0
    """
    match = re.search(
        r"(?:within|in under|in less than|done in|finish(?:ed)? in|deadline(?:\s+of)?|at most)\s*"
        + _NUMBER
        + _UNIT,
        text,
        re.IGNORECASE,
    )
    return _value(match[1]) * _seconds(match[2]) if match else None


def every_s(text: str) -> float | None:
    """
    Seconds between runs, from words such as nightly or every 15 minutes.

    >>> every_s("nightly"), every_s("every 15 minutes"), every_s("twice a day")
    (86400.0, 900.0, 43200.0)
    """
    match = re.search(
        r"\bevery\s+(?:" + _NUMBER + r"\s*)?(minute|min|hour|day|night|week|month)",
        text,
        re.IGNORECASE,
    )
    if match:
        unit = match[2].lower().replace("night", "day")
        return (_value(match[1]) if match[1] else 1.0) * _SECONDS[unit]
    if re.search(r"\btwice (?:a|per) day|twice daily\b", text, re.IGNORECASE):
        return 43200.0
    for words, seconds in (
        (r"nightly|daily|overnight|once a day|each night|each day", 86400.0),
        (r"hourly|each hour", 3600.0),
        (r"weekly|once a week", 604800.0),
        (r"monthly|once a month", 2592000.0),
        (r"quarterly", 7776000.0),
    ):
        if re.search(rf"\b(?:{words})\b", text, re.IGNORECASE):
            return seconds
    return None


def tokens(text: str) -> tuple[float | None, float | None, float | None]:
    """
    Tokens to train on, of a prompt, and of an answer.

    >>> tokens("1,000 prompt tokens and 200 output tokens"), tokens("on 2B tokens")
    ((None, 1000.0, 200.0), (2000000000.0, None, None))
    """
    prompt = _token_count(text, r"(?:prompt|input|context)")
    output = _token_count(text, r"(?:output|answer|completion|generated|response)")
    total = None
    if prompt is None and output is None:
        match = re.search(_NUMBER + _SCALE + r"\s*(?:training\s+)?tokens\b", text, re.IGNORECASE)
        total = _scaled(match) if match else None
    return total, prompt, output


def count_of(text: str, words: str) -> float | None:
    """
    A count before its words, else after them.

    >>> count_of("16 features", "features?"), count_of("features: 3", "features?")
    (16.0, 3.0)
    """
    match = re.search(_NUMBER + _SCALE + rf"\s*-?(?:\w+\s+)?(?:{words})\b", text, re.IGNORECASE)
    return _scaled(match) if match else setting_of(text, words)


def setting_of(text: str, words: str) -> float | None:
    """
    A number right after its name.

    A number with a unit or a scale is an amount of something, not a setting.

    >>> setting_of("7B with rank 16", "rank"), setting_of("batch size of 8", "batch size")
    (16.0, 8.0)
    >>> setting_of("join 300 GB", "join")
    """
    name = rf"\b(?:{words})(?:\s*(?:of|=|:))?\s*"
    match = re.search(name + _NUMBER + r"\b" + _NO_AMOUNT, text, re.IGNORECASE)
    return _value(match[1]) if match else None


def _token_count(text: str, role: str) -> float | None:
    match = re.search(_NUMBER + _SCALE + rf"\s*{role}\s*tokens?\b", text, re.IGNORECASE)
    match = match or re.search(
        _NUMBER + _SCALE + rf"\s*-?tokens?\s*(?:of\s+)?{role}s?\b", text, re.IGNORECASE
    )
    match = match or re.search(
        rf"{role}s?\s+(?:of|with)\s+(?:about\s+)?" + _NUMBER + _SCALE + r"\s*tokens?",
        text,
        re.IGNORECASE,
    )
    return _scaled(match) if match else None


def _rate(text: str, what: str) -> float | None:
    match = re.search(_NUMBER + _SCALE + r"\s*(?:\w+\s+)?" + what + _PER, text, re.IGNORECASE)
    return _scaled(match) / _seconds(match[3]) if match else None


def _bytes(match: re.Match[str]) -> float:
    return _value(match[1]) * (_BINARY_BYTES if match[3] else _BYTES)[match[2].lower()]


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def _scaled(match: re.Match[str]) -> float:
    return _value(match[1]) * _SCALES.get((match[2] or "").lower(), 1.0)


def _seconds(unit: str) -> float:
    unit = unit.lower()
    return _SECONDS[unit] if unit in _SECONDS else _SECONDS[unit.rstrip("s")]
