"""Notifications in the embedded region: each fact is sent once and never delays scaling."""
