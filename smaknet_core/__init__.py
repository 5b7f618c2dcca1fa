"""
Learn where a scene is in a demonstration, from unlabelled multi-view recordings.

Nothing is imported here, so that `smaknet --help` and the bag tools load no torch; import from
the modules. docs/architecture.md is the map.
"""
