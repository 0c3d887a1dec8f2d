"""Measuring how fast a configuration trains, predicts and reads data, and where the time goes."""
