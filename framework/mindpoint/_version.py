"""The version of the distribution, and that of the contracts that plugins are written against."""

__version__ = "0.1.0"
API = "1.0"
"""Version of the contracts, ``major.minor``; docs/plugins/compatibility.md says what may change with which."""
