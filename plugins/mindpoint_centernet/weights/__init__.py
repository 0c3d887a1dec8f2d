"""Weights of the official implementation under the names of this network."""
