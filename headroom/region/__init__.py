"""The embedded region: AWS in simulated time, on moto."""
