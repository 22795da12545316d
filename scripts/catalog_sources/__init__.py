"""One module per provider: how its files become rows."""
