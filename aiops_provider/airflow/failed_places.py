"""Where a task of a run has failed, so that its next try goes elsewhere first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.task import TaskKey, TaskRun

_REMEMBERED = 100_000

_Place = tuple[TaskKey, str, int]


class FailedPlaces:
    """Clusters by task and run; bounded, the oldest forgotten first."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[_Place, dict[str, str]] = OrderedDict()
        self._refusals: OrderedDict[TaskRun, int] = OrderedDict()
        self._sent: OrderedDict[_Place, tuple[int, str]] = OrderedDict()

    def avoid(self, run: TaskRun) -> Mapping[str, str]:
        """Why each cluster should be avoided."""
        place = _place(run)
        sent = self._sent.get(place)
        if sent is not None and sent[0] < run.try_number:
            self.add(run, sent[1], f"try {sent[0]} ran there and has to be run again")
            del self._sent[place]
        return self._reasons.get(place, {})

    def sent(self, run: TaskRun, cluster: str) -> None:
        """
        Note where a try goes, until it is known how it ended.

        That it failed shows when a next try is asked for, which is often before the end of the
        worker's process is heard of; of some clusters only the worker ever knows.
        """
        self._sent[_place(run)] = (run.try_number, cluster)
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)

    def moved(self, run: TaskRun) -> None:
        """A try was ended because another place is cheaper; nothing speaks against this one."""
        self._sent.pop(_place(run), None)

    def learn(self, record: ExecutionRecord) -> None:
        """Take in how a try ended that followed its route."""
        if record.outcome is Outcome.SUSPENDED:
            return
        if self._sent.get(_place(record.run), (0, ""))[0] == record.run.try_number:
            del self._sent[_place(record.run)]
        if record.outcome is Outcome.SUCCESS:
            self._reasons.pop(_place(record.run), None)
            return
        why = record.message or record.outcome.value.replace("_", " ")
        self.add(record.run, record.cluster, f"try {record.run.try_number} failed there: {why}")

    def refused(self, run: TaskRun, cluster: str, reason: str) -> int:
        """
        Note that a cluster did not take a try.

        Returns:
            How often the try has been refused by now, on whichever cluster.
        """
        self.add(run, cluster, f"it refused the task: {reason}")
        count = self._refusals.pop(run, 0) + 1
        self._refusals[run] = count
        while len(self._refusals) > _REMEMBERED:
            self._refusals.popitem(last=False)
        return count

    def add(self, run: TaskRun, cluster: str, reason: str) -> None:
        """Note a cluster where this run should not go again if it can be helped."""
        place = _place(run)
        self._reasons.setdefault(place, {})[cluster] = reason
        self._reasons.move_to_end(place)
        while len(self._reasons) > _REMEMBERED:
            self._reasons.popitem(last=False)


def _place(run: TaskRun) -> _Place:
    return run.task, run.run_id, run.map_index
