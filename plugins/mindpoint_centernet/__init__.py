"""CenterNet multi-person pose for mindpoint: every part is reached through an entry point."""
