"""The layers of a network: which there are, how a person names them, and how they are read while it runs."""
