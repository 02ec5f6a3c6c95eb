"""The deployment of a stage: resources, permissions, packages and checks."""
