"""Special functions of NumPy arrays, where NumPy has none; no tensors, no gradients here."""
