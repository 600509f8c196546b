"""Named results: tuples with torch's names and form of printing.

Run: pytest tests/tensor/test_return_types.py
"""

from __future__ import annotations

import pytest

from isograd.tensor.return_types import named_result, named_type


def test_named_result():
    found = named_result("_pair", ("values", "indices"), (1, 2))
    assert (found.values, found.indices) == tuple(found) == (1, 2)
    assert repr(found) == "torch.return_types._pair(\nvalues=1,\nindices=2)"
    assert type(found) is named_type("_pair", ("values", "indices"))
    with pytest.raises(ValueError, match="has the fields"):
        named_type("_pair", ("values",))
