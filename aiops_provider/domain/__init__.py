"""
The nouns of the package: frozen types without I/O that every room speaks in.

This layer knows nothing of hosts, stores, clouds or engines. Types that cross the border of the
package (task descriptions) are pydantic models; the rest are frozen, slotted dataclasses.
"""
