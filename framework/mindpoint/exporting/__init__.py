"""Trained models as files for other runtimes."""
