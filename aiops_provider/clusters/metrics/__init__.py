"""
What is measured of a cluster as a whole, read from where it lies.

A source answers with readings: one number of one cluster at one moment. Sources of monitoring systems
are here; what a kind of cluster tells by itself stands in the folder of that kind.
"""
