"""The training loop, evaluation and inference over parts that a configuration names."""
