"""Trained rules in folders: export, checks of what was written, loading."""
