"""The engine of Headroom: everything that Lambda runs."""
