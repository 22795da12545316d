"""
What is going wrong, and why?

Samples become verdicts (a score with a p-value behind it), verdicts become alarms, alarms of one
cause become one super-alarm with ranked hypotheses and a response. The room is a calculation: it
knows no store, no host and no clock, and a response is only data that others act on.

::

    judge       detectors and expert rules: is this sample normal?
    board       raise, hold, clear: alarms with hysteresis
    evidence    the latest alarmed and healthy observations, for comparison
    root_cause  what do the alarmed ones share that the healthy ones lack?
    fold        few super-alarms out of many alarms
    response    quarantine, hold or nothing
    watch       the engine that joins these
"""
