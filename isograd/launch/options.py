"""What a job promises about its script: chosen on the command line, told to ranks as environment.

Everything here must be the same at every number of ranks, one included: the threads of BLAS and
OpenMP change the bits of a product, and Python's hash seed the order of sets.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from isograd.launch.machine import THREAD_VARIABLES, thread_settings

__all__ = ["Choices", "check_shards", "process_settings"]

_SHARDS = "ISOGRAD_SHARDS"
_DIGEST = "ISOGRAD_DIGEST"


@dataclass(frozen=True)
class Choices:
    """How the script is run.

    Args:
        shards: V, the mesh positions whose number fixes the bits; None for one per rank.
        digest: print a hash of weights and text at the end.
        torch: `import torch` means isograd.
    """

    shards: int | None = None
    digest: bool = False
    torch: bool = True

    def environment(self) -> dict[str, str]:
        """The variables that tell the ranks."""
        told = {} if self.shards is None else {_SHARDS: str(self.shards)}
        return told | ({_DIGEST: "1"} if self.digest else {})

    def or_told(self, environ: Mapping[str, str]) -> "Choices":
        """These choices, completed by those the environment tells.

        Raises:
            ValueError: when a variable is not a number of at least 1.
        """
        shards, text = self.shards, environ.get(_SHARDS, "")
        if shards is None and text:
            if not text.isdigit() or int(text) < 1:
                raise ValueError(f"{_SHARDS}: expected a whole number of at least 1, got {text!r}")
            shards = int(text)
        digest = self.digest or environ.get(_DIGEST, "0") not in ("", "0")
        return Choices(shards, digest, self.torch)


def check_shards(shards: int | None, size: int) -> None:
    """A rank owns at least one position.

    Raises:
        ValueError: when there are fewer positions than ranks.
    """
    if shards is not None and shards < size:
        raise ValueError(
            f"isograd run: expected at least as many shards as ranks, got --shards {shards} "
            f"for {size} ranks; a rank needs a shard of its own: --shards {size} or more, or "
            f"-n {shards} or fewer"
        )


def process_settings(
    choices: Choices, environ: Mapping[str, str], size: int, local_ranks: int, cores: int
) -> dict[str, str]:
    """Variables that must be set before Python and its libraries start; empty when all are.

    Args:
        choices: the job's.
        environ: usually `os.environ`.
        size: ranks of the job.
        local_ranks: ranks on this host.
        cores: cores they share.
    """
    if choices.shards is None:
        settings = thread_settings(environ, local_ranks, cores)
    else:
        settings = {name: "1" for name in THREAD_VARIABLES if environ.get(name) != "1"}
    several = size > 1 or choices.shards is not None
    if several and environ.get("PYTHONHASHSEED", "random") == "random":
        settings["PYTHONHASHSEED"] = "0"
    return settings


def overruled_threads(choices: Choices, environ: Mapping[str, str] = os.environ) -> str:
    """What to say when --shards overrules the user's thread counts; empty when it does not."""
    if choices.shards is None:
        return ""
    own = [f"{n}={environ[n]}" for n in THREAD_VARIABLES if environ.get(n, "1") != "1"]
    return f"isograd: --shards pins threads to 1 ({', '.join(own)} given)\n" if own else ""
