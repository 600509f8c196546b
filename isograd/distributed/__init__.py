"""torch.distributed on our own communicators."""
