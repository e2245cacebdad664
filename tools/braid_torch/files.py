"""Tensors in files: safetensors and npy, with nothing but torch."""
import ctypes
import json
import struct

import torch

CODES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
         torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}
NPY = {torch.float32: "<f4", torch.float64: "<f8", torch.int64: "<i8", torch.int32: "<i4",
       torch.uint8: "|u1", torch.bool: "|b1"}


def bytes_of(tensor):
    """Its elements in row-major order."""
    tensor = tensor.detach().cpu().contiguous()
    size = tensor.numel() * tensor.element_size()
    return ctypes.string_at(tensor.data_ptr(), size) if size else b""


def write_safetensors(path, tensors):
    """{key: tensor}, in the order of the keys."""
    header, at = {}, 0
    for key in sorted(tensors):
        size = tensors[key].numel() * tensors[key].element_size()
        header[key] = {"dtype": CODES[tensors[key].dtype], "shape": list(tensors[key].shape),
                       "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for key in sorted(tensors):
            file.write(bytes_of(tensors[key]))


def read_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    dtypes = {code: dtype for dtype, code in CODES.items()}
    read = {}
    for key, entry in header.items():
        if key != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(bytearray(data[begin:end]) or bytearray(8), dtype=dtypes[entry["dtype"]])
            read[key] = flat[:(end - begin) // flat.element_size()].reshape(entry["shape"])
    return read


def write_npy(path, tensor):
    shape = "(" + "".join(f"{n}, " for n in tensor.shape) + ")"
    text = f"{{'descr': '{NPY[tensor.dtype]}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes_of(tensor))


def read_npy(path):
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<H", data[8:10])
    header = eval(data[10:10 + size], {"__builtins__": {}})  # a literal, with a comma where json has none
    dtype = {code: dtype for dtype, code in NPY.items()}[header["descr"]]
    return torch.frombuffer(bytearray(data[10 + size:]), dtype=dtype).reshape(header["shape"])
