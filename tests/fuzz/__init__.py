"""Random, damaged and made-up inputs for everything that reads a file: only one message may come out.

``python -m tests.fuzz --examples 2000`` from the repository's folder; needs Hypothesis (``pip install -e '.[fuzz]'``).
"""
