"""What is found by entry point: what this package brings, and what others install."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from aiops_provider.errors import ConfigurationError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugIns(Generic[T]):
    """
    All plug-ins of one sort; none is imported before it is asked for.

    Attributes:
        group: Of their entry points.
        made: Class of the objects that these name.
        noun: What one of them is called.
        field: Where aiops.yaml names one.
        built_in: Our own, as in pyproject.toml: a source tree that is on the path without being
            installed has no entry points, yet they must be there.
    """

    group: str
    made: type[T]
    noun: str
    field: str
    built_in: Mapping[str, str]

    def names(self) -> tuple[str, ...]:
        """Of all of them, sorted."""
        return tuple(sorted(self._entry_points()))

    def load(self, name: str) -> T:
        """
        The plug-in of that name.

        Raises:
            ConfigurationError: There is none, it cannot be imported, or it is no such object.
        """
        point = self._entry_points().get(name)
        if point is None:
            raise ConfigurationError(
                f"no such {self.noun}",
                field=self.field,
                value=name,
                mend=f"Known: {', '.join(self.names())}",
            )
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"this {self.noun} cannot be loaded ({error})",
                field=self.field,
                value=name,
                mend=f"Install what {point.value} needs",
            ) from error
        if not isinstance(found, self.made):
            raise ConfigurationError(
                f"entry point {point.value} is no {self.made.__name__} but {type(found).__name__}",
                field=self.field,
                value=name,
                mend="Tell whoever wrote that plug-in",
            )
        return found

    def _entry_points(self) -> dict[str, EntryPoint]:
        built_in = (
            EntryPoint(name=name, value=value, group=self.group)
            for name, value in self.built_in.items()
        )
        return {point.name: point for point in (*built_in, *entry_points(group=self.group))}
