"""Panels: one visible idea each."""
