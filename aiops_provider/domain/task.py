"""How a task and one try of it are named."""

from __future__ import annotations

from dataclasses import dataclass

_BACKFILL = "backfill__"


@dataclass(frozen=True, slots=True, order=True)
class TaskKey:
    """
    What history is kept under: the task, not one run of it.

    Attributes:
        namespace: DAG id or flow name.
        name: Task id, or deployment name.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> TaskKey:
        """
        Read ``namespace/name``; a text without a slash is a task of the namespace ``default``.

        >>> TaskKey.parse("medical/train")
        TaskKey(namespace='medical', name='train')
        """
        namespace, slash, name = text.partition("/")
        return cls(namespace, name) if slash else cls("default", namespace)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """
    One try of one task in one run of its DAG or flow.

    Attributes:
        task: The task.
        run_id: DAG run id or flow run id.
        map_index: Index of a mapped task, -1 when it is not mapped.
        try_number: 1 for the first try.
    """

    task: TaskKey
    run_id: str
    map_index: int = -1
    try_number: int = 1

    def __hash__(self) -> int:
        # The generated one hashes the task by a call of its own; tries are looked up all the time.
        task = self.task
        return hash((task.namespace, task.name, self.run_id, self.map_index, self.try_number))

    @property
    def is_backfill(self) -> bool:
        """Whether it makes up for the past, as Airflow names such runs: nobody waits for it now."""
        return self.run_id.startswith(_BACKFILL)

    def __str__(self) -> str:
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.task}{mapped} {self.run_id} try {self.try_number}"
