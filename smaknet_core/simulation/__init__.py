"""
A small world for tests and demos: scripted tasks seen by several cameras, as real recordings.

`record` and `record_many` (module `recorder`) write rosbag2 folders; `truth` knows which moments
of two of them correspond; `world` is the interface that any other simulator can implement.
"""
