"""The small world: a scripted table top that numpy and OpenCV paint, for tests and quick demos."""
