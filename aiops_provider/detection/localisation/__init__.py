"""
Where in a multi-dimensional cube does a KPI deviate?

A total is off; its parts are known by country, device, version and so on. Which few combinations of
values explain the deviation?

::

    cube    leaves of the cube: dimensions, what was measured, what was expected
    search  the elements that explain the deviation, found one after another

And where the parts are services that call one another:

::

    calls   the service whose harm its callees do not explain
"""
