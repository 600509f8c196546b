"""What `isograd run` puts around an unchanged script so that many ranks act as one program.

Under the global view every rank runs the whole script. These rooms make what the script asks of
the world outside of its tensors the same on all ranks: entropy, files, folders, devices. What
the script writes, rank 0 writes. Library code is left alone: `callers` says who asked.
"""

__all__: list[str] = []
