"""Turns annotated images into batches."""
