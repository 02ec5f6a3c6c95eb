"""The strategies: how many units a target should have."""
