"""torch.utils's paths: thin faces over the rooms that do the work."""
