"""Benchmarks of training, prediction and data loading, with the time of each part."""
