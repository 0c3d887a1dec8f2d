"""Drawn people and drawn things as data sets."""
