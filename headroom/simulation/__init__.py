"""The replay of traffic without AWS: cost and throttling, compared and tuned."""
