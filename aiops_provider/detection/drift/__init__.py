"""
Do the data of now come from the distribution of before?

A p-value alone does not say so: with enough rows every difference is significant. A drift is told only
when chance is excluded *and* the effect is large enough to matter.

::

    sketch       a mergeable summary of a numeric column: a frame of a billion rows is never shipped
    numeric      two samples, or two sketches, of a numeric feature
    categorical  two tables of counts
    multivariate many features at once
"""
