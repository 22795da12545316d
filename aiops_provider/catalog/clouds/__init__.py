"""One module per cloud: which lists its APIs give, and what their items mean."""
