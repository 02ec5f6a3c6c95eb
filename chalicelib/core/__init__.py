"""The decisions: pure functions without a clock, an environment, a log or AWS."""
