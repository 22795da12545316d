"""
The settings of an installation: read once at a door, frozen, handed down as plain arguments.

The rooms below never import this layer.
"""
