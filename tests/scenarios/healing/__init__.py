"""Healing in the embedded region: an instance's status check fails, and its alarm fires."""
