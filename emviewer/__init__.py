"""A viewer and engine that tells whether a 3D map explains 2D images, and which are the exceptions.

``emviewer.engine`` is the library and command line (no Qt); ``emviewer.ui`` is the window.
"""

__version__ = "0.1.0"
