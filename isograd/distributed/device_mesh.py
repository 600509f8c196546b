"""torch.distributed.device_mesh: meshes of positions (see `isograd.distributed.tensor.mesh`)."""

from isograd.distributed.tensor.mesh import DeviceMesh, init_device_mesh

__all__ = ["DeviceMesh", "init_device_mesh"]
