"""
A capacity schedule in the languages of the systems that scale.

Each module makes plain data in the shape that its system takes; nothing here talks to any of them.
Everywhere the schedule is the *floor* and the system's own reaction may add to it: a forecast that
was too low must not keep a service small.
"""

from __future__ import annotations
