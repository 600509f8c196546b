"""`isograd run`: start an unchanged script on many ranks, and end it cleanly whatever happens.

Two halves. The *outside* (`cli`, `run`, `mpi`, `hosts`, `control`) builds an mpirun command and
watches the ranks; the *inside* (`inside`, `output`, `control`) runs the user's script in each
rank. Standard library only, apart from `isograd.distributed.world`.
"""

__all__: list[str] = []
