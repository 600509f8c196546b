"""Golden values of distributions, made with PyTorch: ``python tests/golden/make_distributions.py``.

Each case is an expression over ``torch`` and ``D`` (torch.distributions), evaluated after
``manual_seed(0)``; tests/distributions evaluates the same text with isograd.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.distributions as D  # noqa: F401  (the cases name it)

T = "torch.tensor"
FAMILIES = {
    "normal": (f"D.Normal({T}([0., 1.5]), {T}([1., .3]))", f"{T}([[.2, -1.], [3., 1.4]])"),
    "normal numbers": ("D.Normal(1., 2.)", f"{T}([.5, -3.])"),
    "log_normal": (f"D.LogNormal({T}([0., .5]), {T}([1., .3]))", f"{T}([[.2, 1.], [3., 1.4]])"),
    "uniform": (f"D.Uniform({T}([0., -1.]), {T}([2., 4.]))", f"{T}([[.2, 1.], [0., 3.4]])"),
    "exponential": (f"D.Exponential({T}([.5, 3.]))", f"{T}([[.2, 1.], [0., 3.4]])"),
    "laplace": (f"D.Laplace({T}([0., 1.5]), {T}([1., .3]))", f"{T}([[.2, -1.], [3., 1.4]])"),
    "bernoulli": (f"D.Bernoulli({T}([.2, .9]))", f"{T}([[0., 1.], [1., 0.]])"),
    "bernoulli logits": (f"D.Bernoulli(logits={T}([-.5, 3.]))", f"{T}([[0., 1.], [1., 0.]])"),
    "categorical": (f"D.Categorical({T}([[.2, .3, .5], [1., 2., 7.]]))", f"{T}([[0, 2], [1, 1]])"),
    "categorical logits": (f"D.Categorical(logits={T}([.1, 1., -2.]))", f"{T}([0, 2, 1])"),
    "one_hot": (f"D.OneHotCategorical({T}([[.2, .3, .5], [1., 2., 7.]]))",
                f"{T}([[0., 1., 0.], [1., 0., 0.]])"),
    "independent": (f"D.Independent(D.Normal({T}([[0., 1.], [2., 3.]]), {T}(.5)), 1)",
                    f"{T}([[.2, 1.], [2., 3.]])"),
    "multivariate": (f"D.MultivariateNormal({T}([1., -1.]), {T}([[2., .5], [.5, 1.]]))",
                     f"{T}([[.2, 1.], [2., 3.]])"),
    "multivariate precision": (
        f"D.MultivariateNormal({T}([1., -1.]), precision_matrix={T}([[2., .5], [.5, 1.]]))",
        f"{T}([[.2, 1.], [2., 3.]])"),
    "multivariate tril": (
        f"D.MultivariateNormal(torch.zeros(3, 2), scale_tril={T}([[2., 0.], [.5, 1.]]))",
        f"{T}([.2, 1.])"),
}  # fmt: skip
ASKED = (
    "log_prob({value})", "entropy()", "perplexity()", "mean", "variance", "stddev", "mode",
    "sample()", "sample((2, 3))", "batch_shape", "event_shape", "has_rsample",
    "cdf({value})", "icdf({T}([.2, .7]))", "enumerate_support()", "enumerate_support(False)",
    "expand((3, 2)).log_prob({value})", "rsample((2,))", "probs", "logits", "covariance_matrix",
    "precision_matrix", "scale_tril",
)  # fmt: skip
PAIRS = [
    ("D.Normal(0., 1.)", f"D.Normal({T}([1., 2.]), .5)"),
    ("D.LogNormal(0., 1.)", f"D.LogNormal({T}([1., 2.]), .5)"),
    (f"D.Categorical({T}([.2, .8]))", f"D.Categorical({T}([[.5, .5], [1., 0.]]))"),
    (f"D.Categorical({T}([0., 1.]))", f"D.Categorical({T}([.5, .5]))"),
    (f"D.OneHotCategorical({T}([.2, .8]))", f"D.OneHotCategorical({T}([.5, .5]))"),
    (f"D.Bernoulli({T}([.2, 0., 1., .5]))", f"D.Bernoulli({T}([.5, .5, .5, 1.]))"),
    ("D.Uniform(0., 1.)", f"D.Uniform({T}([-1., .5]), 2.)"),
    ("D.Exponential(2.)", "D.Exponential(.5)"),
    ("D.Laplace(0., 1.)", "D.Laplace(1., .5)"),
    (FAMILIES["multivariate"][0], FAMILIES["multivariate precision"][0]),
    (FAMILIES["multivariate"][0], FAMILIES["multivariate tril"][0]),
    (f"D.Independent(D.Normal({T}([0., 1.]), 1.), 1)",
     f"D.Independent(D.Normal({T}([1., 1.]), 2.), 1)"),
]  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return {"dtype": str(value.dtype), "values": value.tolist()}
    return list(value) if isinstance(value, tuple) else value


def main() -> None:
    cases = [
        f"{made}.{asked.format(value=value, T=T)}"
        for made, value in FAMILIES.values()
        for asked in ASKED
    ]
    cases += [f"D.kl_divergence({p}, {q})" for p, q in PAIRS]
    # torch shows LogNormal() and OneHotCategorical() without their parameters; we do not.
    cases += [f"repr({made})" for made, _ in FAMILIES.values() if "Log" not in made
              and "OneHot" not in made]  # fmt: skip
    golden = {}
    for case in cases:
        torch.manual_seed(0)
        try:
            golden[case] = plain(eval(case))
        except (NotImplementedError, AttributeError, ValueError, RuntimeError):
            continue  # what this family does not have
    target = Path(__file__).with_name("distributions.json")
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items())
    target.write_text("{\n" + lines + "\n}\n")
    print(f"{len(golden)} values in {target}, made with torch {torch.__version__}")


if __name__ == "__main__":
    main()
