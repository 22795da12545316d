"""
Measurements against named peers, one command each: ``python -m benchmarks.<area>.<bench>``.

Beside the package, never inside the wheel. Every benchmark takes ``--data FOLDER``, ``--seed N``
and ``--output table|json`` (:mod:`benchmarks.command`) and ends in one :class:`Report`.
"""
