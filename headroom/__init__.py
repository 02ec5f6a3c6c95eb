"""The operator's workbench: command line, embedded region, reports. Never shipped to Lambda."""
