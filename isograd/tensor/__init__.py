"""Floor 1: tensors, dtypes, devices, the primitives and the one door they go through."""
