"""Pickles that execute code when the standard library reads them."""

import collections
import os
import pathlib
import pickle
import subprocess

import numpy as np


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def hostile(marker: pathlib.Path) -> dict[str, bytes]:
    """Pickles that would create the file `marker`, by the name that the error must contain."""
    command = f"touch {marker}"
    python = f"open({os.fspath(marker)!r}, 'w')"
    short = b"\x8c" + bytes([len(command)]) + command.encode()
    return {
        "posix.system": pickle.dumps({"data": [Call(os.system, command)]}, 4),
        "builtins.eval": pickle.dumps(Call(eval, python), 2).replace(b"__builtin__", b"builtins"),
        "__builtin__.exec": pickle.dumps(Call(exec, python), 0),
        "io.open": pickle.dumps(Call(open, os.fspath(marker), "w"), 5),
        "numpy.load": pickle.dumps(Call(np.load, "x"), 3),
        "numpy.fromfile": b"cnumpy\nfromfile\n(S'/etc/hostname'\ntR.",
        "numpy.memmap": b"cnumpy\nmemmap\n(S'/etc/hostname'\ntR.",
        "subprocess.Popen": pickle.dumps(Call(subprocess.Popen, ["touch", os.fspath(marker)]), 4),
        "os.system": f"(S'{command}'\nios\nsystem\n.".encode(),
        "posix.popen": b"(cposix\npopen\n" + short + b"o.",
        "os.popen": b"\x80\x02cos\npopen\n" + short + b"\x85\x81.",
        "os.execv": b"\x80\x04\x8c\x02os\x8c\x05execv\x93" + short + b"\x85}\x92.",
        "collections.OrderedDict": pickle.dumps(collections.OrderedDict(a=1), 4),
        "builtins.getattr": pickle.dumps(Call(getattr, 1, "real"), 4),
        "numpy.ctypeslib.load_library": b"cnumpy.ctypeslib\nload_library\n(S'x'\nS'.'\ntR.",
        "numpy.ma.core.MaskedArray": b"cnumpy._core.multiarray\n_reconstruct\n"
        b"(cnumpy.ma.core\nMaskedArray\n(I0\ntS'b'\ntR.",
        "_codecs.encode": b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",
        "numpy.ndarray": b"\x80\x02cnumpy\nndarray\nK\x05\x85\x81.",
        "numpy.dtype": b"(cnumpy\ndtype\nS'O'\no.",
        "_codecs.encode.__globals__": b"\x80\x04\x8c\x07_codecs\x8c\x12encode.__globals__\x93.",
        "extension number 1": b"\x80\x02\x82\x01.",
        "extension number 258": b"\x80\x02\x83\x02\x01.",
        "extension number -1": b"\x80\x02\x84\xff\xff\xff\xff.",
        "outside of it": b"Pname\n.",
        "a buffer outside": b"\x80\x05\x97.",
        "sets the state of a list": b"](lb.",
        "calls a str": b"S'x'\n(tR.",
    }
