"""Makes golden/scripts.json: what the scripts of tests/scripts print under torch.

Those that drop out at random print other numbers in torch, which draws its masks otherwise; they
take part with ``--dropout 0``. Datasets that draw (siamese, resnet) do so here by sample, in
torch in the order of reading.

Run with PyTorch and scikit-learn installed: python tests/golden/make_scripts.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
RUNS = ["vae", "dcgan", "char_rnn", "word_lm --dropout 0", "transformer --dropout 0",
        "mnist_cnn --dropout 0", "reinforce --dropout 0", "accumulate --dropout 0"]  # fmt: skip


def main() -> None:
    texts = {}
    for name in RUNS:
        script, *args = name.split()
        command = [sys.executable, str(HERE.parent / "scripts" / f"{script}.py"), *args]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        texts[name] = done.stdout
    (HERE / "scripts.json").write_text(json.dumps(texts, indent=1) + "\n")


if __name__ == "__main__":
    main()
