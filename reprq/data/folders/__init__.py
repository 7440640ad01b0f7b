"""Folders of files as data sets: what is in them, which layout they have, and the rows that this makes."""
