"""Drawn people as a data set."""
