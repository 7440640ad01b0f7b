"""Sounds: clips in files, brought to one rate and length, and the log-Mel spectrograms that networks take."""
