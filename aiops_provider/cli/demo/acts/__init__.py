"""The acts: each does one thing to a running installation and says what it expected and saw."""
