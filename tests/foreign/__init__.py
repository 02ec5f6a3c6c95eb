"""The project against software that nobody of it wrote: tests with the marker `foreign`."""
