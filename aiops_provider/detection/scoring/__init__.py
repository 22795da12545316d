"""
How good are detections, measured against labels?

Three views that cannot be gamed together, and none of them point-adjusted (a random score reaches
the state of the art under point adjustment):

::

    windows     labelled anomalies as ranges of samples, from points or from moments
    onset       which of the samples above a threshold are news
    nab         the score of the Numenta Anomaly Benchmark: early detection, few false alarms
    events      event-F1 and false alarms per series-week, as a person on call lives them
    volume      VUS-PR: no threshold at all
    scoreboard  all of them over several series
"""
