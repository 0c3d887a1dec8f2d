"""Checks for Ascend that run without an Ascend device."""
