"""
What was changed in the installation lately, as far as the store and the settings tell.

Read by whoever watches, each round; the detection decides what of it stands with a super-alarm.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops_provider.clusters.metrics.source import SPOT_INTERRUPTIONS
from aiops_provider.detection.changes import BEFORE_ONSET
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.change import Change, ChangeKind
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.task import TaskKey

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.domain.plan_difference import PlanDifference
    from aiops_provider.settings.schema import Settings
    from aiops_provider.store import Store

log = logging.getLogger(__name__)

_SETTINGS = "settings seen"
# An alarm of now may have begun so long ago.
_LATELY = 2 * BEFORE_ONSET
# Records read a round; the rest waits for the next one.
_READ = 2_000
# Earlier tries of a task among which its code is looked for.
_EARLIER = 100
_VERSIONS, _RESPONSES, _SAMPLES = 20, 500, 500
# Of a plan that moves everything nobody reads every move.
_MOVES = 500
_SHOWN = 12
_FILES = {"detection": "rules", "catalog": "prices"}


@dataclass(slots=True)
class ChangeReader:
    """
    What one process has read already; can be thrown away at any time.

    Attributes:
        cursor: Of the last finished try that was looked at; ``None``: none yet.
        codes: Versions of code that were met, by task.
        plans: Moves of the plans that came into force, by version and moment.
    """

    cursor: int | None = None
    codes: dict[TaskKey, set[tuple[str, str]]] = field(default_factory=dict)
    plans: dict[tuple[int, datetime], list[Change]] = field(default_factory=dict)

    def read(self, installation: Installation, now: datetime) -> list[Change]:
        """
        What is new or still of the time that counts.

        Raises:
            StoreError: The store does not answer.
        """
        store, since = installation.require_store(), now - _LATELY
        found = [
            *self._new_code(store, since),
            *self._plans(store, since),
            *_quarantines(store.responses(limit=_RESPONSES), now),
            *_spot_interruptions(store, since),
            *_settings(store, installation.settings, now),
        ]
        return [one for one in found if since <= one.at <= now]

    def _new_code(self, store: Store, since: datetime) -> Iterator[Change]:
        if self.cursor is None:
            cursor = store.newest_execution()
            records = store.executions(since=since, limit=_READ)
        else:
            records, cursor = store.executions_after(self.cursor, _READ)
        for record in sorted(records, key=lambda record: record.started_at):
            for name, code in _codes(record):
                known = self.codes.setdefault(record.run.task, set())
                if (name, code) not in known:
                    known.add((name, code))
                    if _is_new(store, record, name, code):
                        yield _deployed(record, name, code)
        self.cursor = cursor

    def _plans(self, store: Store, since: datetime) -> Iterator[Change]:
        versions = store.plan_versions(limit=_VERSIONS)
        activated = sorted(
            (one.activated_at, one.version) for one in versions if one.activated_at is not None
        )
        for place, (at, version) in enumerate(activated):
            if at < since:
                continue
            if (version, at) not in self.plans:
                before = activated[place - 1][1] if place else None
                self.plans[version, at] = list(_plan_changes(store, before, version, at))
            yield from self.plans[version, at]
        self.plans = {key: one for key, one in self.plans.items() if key[1] >= since}


def _codes(record: ExecutionRecord) -> Iterator[tuple[str, str]]:
    for name, code in (("code_hash", record.code_hash), ("image", record.image)):
        if code:
            yield name, code


def _is_new(store: Store, record: ExecutionRecord, name: str, code: str) -> bool:
    """Whether the task ran other code before, and never this one."""
    earlier = {
        getattr(one, name)
        for one in store.executions(record.run.task, limit=_EARLIER)
        if one.started_at < record.started_at
    } - {None}
    return bool(earlier) and code not in earlier


def _deployed(record: ExecutionRecord, name: str, code: str) -> Change:
    task = record.run.task
    what = f"new code {code[:_SHOWN]}" if name == "code_hash" else f"in the new image {code}"
    return Change(
        at=record.started_at,
        kind=ChangeKind.DEPLOY,
        words=f"task {task} ran {what} for the first time",
        attributes={"dag": task.namespace, "task": task.name, name: code},
    )


def _plan_changes(store: Store, old: int | None, new: int, at: datetime) -> Iterator[Change]:
    yield Change(at=at, kind=ChangeKind.PLAN, words=f"plan {new} came into force")
    before, after = store.plan(old) if old is not None else None, store.plan(new)
    if before is None or after is None:
        return
    from aiops_provider.placement.plan_difference import plan_difference

    yield from _moves(plan_difference(before, after), new, at)


def _moves(difference: PlanDifference, version: int, at: datetime) -> Iterator[Change]:
    more: dict[str, int] = {}
    for one in difference.changes[:_MOVES]:
        gained = sorted({place.partition("/")[0] for place in one.after.keys() - one.before.keys()})
        for cluster in gained:
            more[cluster] = more.get(cluster, 0) + 1
        where = f"to {', '.join(gained)}" if gained else "away"
        yield Change(
            at=at,
            kind=ChangeKind.PLAN,
            words=f"plan {version} sent task {one.task} {where}",
            attributes={"dag": one.task.namespace, "task": one.task.name},
        )
    for cluster, tasks in sorted(more.items()):
        yield Change(
            at=at,
            kind=ChangeKind.PLAN,
            words=f"plan {version} sent {tasks} task{'' if tasks == 1 else 's'} more to {cluster}",
            attributes={"cluster": cluster},
        )


def _quarantines(responses: Sequence[Response], now: datetime) -> Iterator[Change]:
    """Work that is kept off a cluster goes elsewhere; afterwards it comes back."""
    for one in responses:
        if one.dry_run or one.action is not ResponseAction.QUARANTINE:
            continue
        names = ", ".join(one.clusters)
        yield Change(
            at=one.starts_at, kind=ChangeKind.RESPONSE, words=f"{names} was quarantined, work moved"
        )
        ended = one.released_at or one.expires_at
        if ended <= now:
            for cluster in one.clusters:
                yield Change(
                    at=ended,
                    kind=ChangeKind.RESPONSE,
                    words=f"the quarantine of {cluster} ended",
                    attributes={"cluster": cluster},
                )


def _spot_interruptions(store: Store, since: datetime) -> Iterator[Change]:
    for sample in store.newest_samples(SPOT_INTERRUPTIONS, labels={}, since=since, limit=_SAMPLES):
        cluster = sample.attributes.get("cluster")
        if sample.value > 0 and cluster is not None:
            machines = f"{sample.value:.0f} spot machine{'' if sample.value == 1 else 's'}"
            yield Change(
                at=sample.observed_at,
                kind=ChangeKind.SPOT,
                words=f"{machines} of {cluster} taken back",
                attributes={"cluster": cluster},
            )


def _settings(store: Store, settings: Settings, now: datetime) -> Iterator[Change]:
    """
    Parts of the settings that are others than those seen before, and files that they name.

    The state of the store remembers hashes, and what was changed lately, for whoever takes over.
    """
    seen: Any = store.get_state(_SETTINGS) or {}
    before: Mapping[str, str] = seen.get("hashes") or {}
    hashes = dict(_hashes(settings))
    told: list[dict[str, str]] = list(seen.get("changes") or ())
    if before and hashes != before:
        parts = sorted(
            part for part in hashes.keys() | before.keys() if hashes.get(part) != before.get(part)
        )
        told.append({"at": now.isoformat(), "parts": ", ".join(parts)})
    told = [one for one in told if datetime.fromisoformat(one["at"]) >= now - _LATELY]
    if hashes != before or told != (seen.get("changes") or []):
        store.set_state(_SETTINGS, {"hashes": hashes, "changes": told})
    for one in told:
        prices = one["parts"] == _FILES["catalog"]
        yield Change(
            at=datetime.fromisoformat(one["at"]).astimezone(UTC),
            kind=ChangeKind.PRICE if prices else ChangeKind.CONFIG,
            words="other prices" if prices else f"another configuration of {one['parts']}",
        )


def _hashes(settings: Settings) -> Iterator[tuple[str, str]]:
    # Without secrets: pydantic writes them as stars.
    for part, value in settings.model_dump(mode="json").items():
        yield part, _hash(repr(value).encode())
    if settings.detection.rules_file is not None:
        yield _FILES["detection"], _of_files([Path(settings.detection.rules_file)])
    folder = settings.catalog.refreshed
    if folder.is_dir():
        yield _FILES["catalog"], _of_files(sorted(folder.iterdir()))


def _of_files(files: Sequence[Path]) -> str:
    contents = []
    for file in files:
        try:
            contents.append(file.read_bytes())
        except OSError as error:
            # As whoever uses the file says; that it cannot be read any more is a change as well.
            log.debug("%s cannot be read: %s", file, error)
            contents.append(type(error).__name__.encode())
    return _hash(b"\0".join(contents))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
