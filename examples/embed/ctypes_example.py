#!/usr/bin/env python3
"""A network in Python without any package: ctypes over libbraid.so.

    digits.yaml --braid_open--> session
                                   |
    (c_float * 64) --braid_run-----+--> (c_float * 10)

    ctypes_example.py LIBRARY NETWORK
"""
import ctypes as c
import sys


class Tensor(c.Structure):
    _fields_ = [("name", c.c_char_p), ("dtype", c.c_int32), ("rank", c.c_int32),
                ("dims", c.POINTER(c.c_int64)), ("data", c.c_void_p), ("bytes", c.c_size_t)]


def floats(name, dims, values):
    """A tensor over a ctypes array, and what it points to."""
    sizes = (c.c_int64 * len(dims))(*dims)
    tensor = Tensor(name, 0, len(dims), sizes, c.addressof(values), c.sizeof(values))
    return tensor, (sizes, values)


def check(braid, status, error):
    if status:
        text = braid.braid_error_text(error).decode()
        braid.braid_error_free(error)
        raise RuntimeError(text)


def main(library, network):
    braid = c.CDLL(library)
    braid.braid_version.restype = braid.braid_error_text.restype = c.c_char_p
    session, error = c.c_void_p(), c.c_void_p()
    try:
        check(braid, braid.braid_open(b"nothing.yaml", None, c.byref(session), c.byref(error)), error)
    except RuntimeError as wrong:
        print("refused:", str(wrong).splitlines()[0])
    check(braid, braid.braid_open(network.encode(), None, c.byref(session), c.byref(error)), error)
    image, kept = floats(b"image", [1, 64], (c.c_float * 64)())
    logits, out = floats(b"logits", [1, 10], (c.c_float * 10)())
    check(braid, braid.braid_run(session, c.byref(image), 1, c.byref(logits), 1, c.byref(error)),
          error)
    print("braid", braid.braid_version().decode(), "logits:", len(out[1]), any(out[1]))
    braid.braid_close(session)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
