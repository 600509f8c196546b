"""``torch.distributed.algorithms``: training with inputs of unequal lengths."""
