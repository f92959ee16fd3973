"""The engine: file formats, projection, matching, alignment, jobs and the command line. Imports no Qt."""
