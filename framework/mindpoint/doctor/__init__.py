"""Checks whether the framework works on this machine, and at full speed."""
