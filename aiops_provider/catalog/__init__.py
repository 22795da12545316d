"""
What the plan chooses from: machine types, prices, accelerators, regions and what lies between.

Knows nothing of tasks and clusters. Every row has its source and date; what no source tells is
unknown.
"""

from aiops_provider.catalog.catalog import Catalog

__all__ = ["Catalog"]
