"""Texts: documents in folders and in columns of tables, and the tokens that networks take."""
