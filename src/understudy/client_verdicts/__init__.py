"""Verdicts about the client: what it did wrong, judged from what the simulator saw."""
