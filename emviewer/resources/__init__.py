"""Icons, colour maps, styles, help pages and the demo example, read with importlib.resources."""
