"""What is wrong with one setting, before it is known which file and line it came from."""

from __future__ import annotations

Location = tuple[str | int, ...]


class SettingError(ValueError):
    """
    Raised by validators of the schema; the loader adds file and line.

    Attributes:
        problem: What is wrong, without the value.
        at: Keys and indexes from the section that raises it to the setting.
        value: The value that is wrong; never a secret.
        mend: What its author can do.
    """

    def __init__(
        self, problem: str, *, at: Location = (), value: object = None, mend: str | None = None
    ) -> None:
        self.problem, self.at, self.value, self.mend = problem, at, value, mend
        given = f" (got {value!r})" if value is not None else ""
        super().__init__(f"{problem}{given}. {mend}" if mend else f"{problem}{given}")


def field_name(location: Location) -> str:
    """
    A location as people write it.

    >>> field_name(("clusters", 0, "price_usd_per_hour"))
    'clusters[0].price_usd_per_hour'
    """
    text = ""
    for key in location:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
