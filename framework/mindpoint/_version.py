"""The version of the distribution, and the version of the contracts that plugins follow."""

__version__ = "0.1.0"
API = "1.0"
"""Version of the contracts, ``major.minor``; see docs/plugins/compatibility.md for the rules of changes."""
