# SPDX-License-Identifier: Apache-2.0
"""The contract's messages and methods, from the descriptor set that the build made.

They live in a descriptor pool of their own, so that a program may hold its own generated code of sabir.v1 as well.
"""

from importlib import resources

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_pool = descriptor_pool.DescriptorPool()


def _load():
    data = (resources.files(__package__) / "descriptor.pb").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(data).file
    for file in files:
        _pool.AddSerializedFile(file.SerializeToString())
    return [file.name for file in files]


_FILES = _load()


def message(name):
    """The class of a message by its full name."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


Value = message("sabir.v1.Value")
Scalar = message("sabir.v1.Scalar")
Status = message("sabir.client.Status")
ErrorInfo = message("sabir.client.ErrorInfo")

KIND = {v.name[len("KIND_") :].lower(): v.number for v in _pool.FindEnumTypeByName("sabir.v1.Kind").values}
KIND_NAME = {number: name for name, number in KIND.items()}


def methods():
    """Yields (service, method, request class, response class); the service without package and 'Service'."""
    for name in _FILES:
        for service in _pool.FindFileByName(name).services_by_name.values():
            for method in service.methods:
                yield (
                    service.full_name,
                    method.name,
                    message_factory.GetMessageClass(method.input_type),
                    message_factory.GetMessageClass(method.output_type),
                )
