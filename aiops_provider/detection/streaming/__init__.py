"""
Anomalies of dense series as they stream by: constant time and memory per sample.

The room's seasonal detector compares a sample with comparable moments of the past, which suits a KPI
of one value a run. A KPI that is observed every few minutes has more to say: its level over minutes
and days, its jumps, its restlessness, its daily shape. Here many series advance together in arrays,
so that a hundred thousand of them cost microseconds a sample.

::

    features     what is looked at: sixteen figures per sample, exponentially weighted
    tails        how rare is each figure in its own series? two tails per figure, adaptive
    calibration  one p-value from sixteen that depend on each other
    bank         the state of all series; samples in, p-values out
    detector     the same for single samples, as the judge asks
    novelty      have the last hours a shape that the series has shown before?
    ranking      which moments of a series are the most abnormal, alarm or not
"""
