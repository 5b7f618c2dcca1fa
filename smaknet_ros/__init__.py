"""
The live end of the line: ROS 2 nodes around `smaknet_core`.

`matcher_node` turns camera topics into matches, `player_node` turns a bag into topics. Only here
is ROS imported; the nodes are wiring, the arithmetic is in `smaknet_core`.
"""
