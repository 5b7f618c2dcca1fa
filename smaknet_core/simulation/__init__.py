"""
Simulated demonstrations as real recordings, seen by several cameras, whose truth is known.

`recorder` and `simulate` (the command) write rosbag2 folders; `truth` knows which moments of two
of them correspond; `world` is the interface of what is recorded: the `small` world, quick
drawings for tests, and the `physical` one.
"""
