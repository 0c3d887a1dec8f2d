"""Comparison with reference numbers of the official implementation."""
