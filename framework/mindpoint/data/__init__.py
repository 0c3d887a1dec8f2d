"""From annotated images to batches."""
