"""The window: panels over the engine (PySide6, pyqtgraph)."""
