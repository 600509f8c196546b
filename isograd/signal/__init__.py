"""``isograd.signal``: window functions."""

import isograd.signal.windows as windows
