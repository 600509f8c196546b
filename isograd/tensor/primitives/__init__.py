"""The primitives: one record each, one file per family."""
