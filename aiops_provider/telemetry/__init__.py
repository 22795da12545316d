"""
What a worker measures and sends.

Runs inside users' tasks, so it costs next to nothing at import, never raises into a task, never
holds one up for longer than it promises, and depends on nothing that a worker image lacks.
"""
