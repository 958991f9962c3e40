"""The networks of a GAMA checkpoint, its reader, the graphs that come of it, and their comparison with PyTorch."""
