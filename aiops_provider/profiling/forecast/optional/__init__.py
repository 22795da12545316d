"""Forecasters of other libraries, each behind an extra of its own and imported only when asked for."""
