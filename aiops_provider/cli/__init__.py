"""
The command line ``aiops``: a door that reads arguments, calls control and prints.

Results go to stdout (tables, or JSON with ``--output json``), everything else to stderr, so that
scripts can read the one without the other. Exit statuses: 0 done, 1 failed or a check said no,
2 the input must be mended (nothing was changed).
"""
