"""One module per revision, ``v0001_…``; each is frozen once it is released."""
