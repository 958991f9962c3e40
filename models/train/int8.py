#!/usr/bin/env python3
"""A model folder with the weights of its matrix products in eight bits: int8.py FOLDER OUT [--convolutions].

Every graph is quantised as models/export/precision.py does; convolutions stay as they
are, or become products of eight bits, too. The measures of each model's evaluate.py tell what that costs.
"""
import os
import shutil
import sys

import onnx

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "export"))
import precision  # noqa: E402


def main():
    source, out = sys.argv[1:3]
    shutil.copytree(source, out)
    for folder, _, names in os.walk(out):
        for name in names:
            if not name.endswith(".onnx"):
                continue
            path = os.path.join(folder, name)
            before, model = os.path.getsize(path), onnx.load(path)
            precision.to_int8(model, "--convolutions" in sys.argv)
            onnx.save(model, path)
            print(os.path.relpath(path, out), before, "to", os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
