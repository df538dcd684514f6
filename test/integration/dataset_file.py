"""A dataset file as the worker wrote it, read without seqrec."""

import json
import math
import struct

FORMATS = {"F64": "d", "F32": "f", "I64": "q", "I32": "i", "U8": "B"}


class Dataset:
    """A dataset file: the header is JSON, the rest are numbers."""

    def __init__(self, path):
        with open(path, "rb") as file:
            content = file.read()
        size = struct.unpack("<Q", content[:8])[0]
        self.header = json.loads(content[8 : 8 + size])
        self.data = content[8 + size :]
        self.metadata = self.header.pop("__metadata__")
        self.features = json.loads(self.metadata.get("features", "null"))

    def tensor(self, name):
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        kind = FORMATS[entry["dtype"]]
        return list(struct.unpack(f"<{(end - begin) // struct.calcsize(kind)}{kind}", self.data[begin:end]))

    def texts(self, prefix):
        offsets, content = self.tensor(prefix + ".offsets"), bytes(self.tensor(prefix + ".bytes"))
        return [content[begin:end].decode() for begin, end in zip(offsets, offsets[1:])]

    def ids(self, side):
        return self.texts(side + ".id")

    def column(self, side, name):
        """A column's values by row: numbers with None for NaN, or lists of categories."""
        number = [feature["name"] for feature in self.features[side]].index(name)
        prefix = f"{side}.feature.{number}"
        if self.features[side][number]["type"] != "category":
            return [None if math.isnan(value) else value for value in self.tensor(prefix + ".values")]
        values, codes, offsets = self.texts(prefix + ".value"), self.tensor(prefix + ".codes"), self.tensor(prefix + ".offsets")
        return [[values[code] for code in codes[begin:end]] for begin, end in zip(offsets, offsets[1:])]

    def by_id(self, side, name):
        return dict(zip(self.ids(side), self.column(side, name)))

    def types(self, side):
        return {feature["name"]: feature["type"] for feature in self.features[side]}
