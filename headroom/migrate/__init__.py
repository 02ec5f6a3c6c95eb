"""The migration from other autoscalers."""
