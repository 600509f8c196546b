"""Vendor libraries and generated kernels behind the primitives."""
