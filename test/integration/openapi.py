"""Holds answers to openapi.json: which statuses and media types an operation may answer with, and what its bodies look like.

Knows the part of JSON Schema that the document uses, and refuses a document that uses more."""

import json
import os
import re

from http_support import ROOT

PLAIN = {"description", "title", "default", "example", "examples", "format"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float)}


class Mismatch(AssertionError):
    pass


def is_type(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


class Document:
    def __init__(self):
        with open(os.path.join(ROOT, "sidecar", "api", "openapi.json"), encoding="utf-8") as file:
            self.content = json.load(file)
        self.met = set()

    def resolve(self, part):
        while "$ref" in part:
            target = self.content
            for step in part["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            part = target
        return part

    def operation(self, method, path):
        """The operation that answers a path, ids and query part included."""
        path = path.split("?")[0]
        for pattern, methods in self.content["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in methods:
                return f"{method} {pattern}", methods[method.lower()]
        raise Mismatch(f"{method} {path} is not documented")

    def check_answer(self, method, path, status, content_type, body):
        try:
            name, operation = self.operation("GET" if method == "HEAD" else method, path)
        except Mismatch:
            if status in (404, 405):
                return
            raise
        if str(status) not in operation["responses"]:
            raise Mismatch(f"{name} does not say that it may answer {status}: {body}")
        response = self.resolve(operation["responses"][str(status)])
        media = response["content"].get(content_type.split(";")[0])
        if media is None:
            raise Mismatch(f"{name} does not say that {status} may be {content_type}")
        if content_type.split(";")[0].endswith("json"):
            self.check(body, media["schema"], f"{name} {status}")
        self.met.add((name, str(status)))

    def check_request(self, method, path, body):
        name, operation = self.operation(method, path)
        self.check(body, operation["requestBody"]["content"]["application/json"]["schema"], f"{name} request")

    def check(self, value, schema, where):
        """Raises Mismatch when a value is not as a schema wants it."""
        if "$ref" in schema:
            self.check(value, self.resolve(schema), where)
        for keyword, wanted in schema.items():
            if keyword not in PLAIN | {"$ref"}:
                self.check_keyword(value, keyword, wanted, schema, where)

    def check_keyword(self, value, keyword, wanted, schema, where):
        def expect(condition, what):
            if not condition:
                raise Mismatch(f"{where}: {json.dumps(value)[:200]} {what}")

        number, text, array, is_object = (isinstance(value, t) for t in ((int, float), str, list, dict))
        if keyword == "type":
            names = wanted if isinstance(wanted, list) else [wanted]
            expect(any(is_type(value, name) for name in names), f"is none of {names}")
        elif keyword == "enum":
            expect(value in wanted, f"is none of {wanted}")
        elif keyword == "const":
            expect(value == wanted and type(value) is type(wanted), f"is not {wanted}")
        elif keyword == "pattern":
            expect(not text or re.search(wanted, value), f"does not match {wanted}")
        elif keyword in ("minimum", "maximum"):
            expect(not number or (value >= wanted if keyword == "minimum" else value <= wanted), f"breaks {keyword} {wanted}")
        elif keyword in ("minLength", "maxLength"):
            expect(not text or (len(value) >= wanted if keyword == "minLength" else len(value) <= wanted), f"breaks {keyword}")
        elif keyword in ("minItems", "maxItems"):
            expect(not array or (len(value) >= wanted if keyword == "minItems" else len(value) <= wanted), f"breaks {keyword}")
        elif keyword == "items":
            for i, element in enumerate(value if array else []):
                self.check(element, wanted, f"{where}[{i}]")
        elif keyword == "required":
            expect(not is_object or all(name in value for name in wanted), f"lacks one of {wanted}")
        elif keyword == "properties":
            for name in (value if is_object else {}).keys() & wanted.keys():
                self.check(value[name], wanted[name], f"{where}.{name}")
        elif keyword == "additionalProperties":
            assert wanted is False
            expect(not is_object or not value.keys() - schema["properties"].keys(), "has more than it may")
        elif keyword == "allOf":
            for part in wanted:
                self.check(value, part, where)
        elif keyword == "oneOf":
            expect(sum(self.fits(value, part) for part in wanted) == 1, "is not exactly one of what it may be")
        else:
            raise Mismatch(f"{where}: unknown keyword {keyword}")

    def fits(self, value, schema):
        try:
            self.check(value, schema, "")
            return True
        except Mismatch:
            return False

    def examples(self):
        """(schema, example, where) of every example of a body."""
        found = []

        def walk(part, where):
            if isinstance(part, dict):
                if "schema" in part and ("example" in part or "examples" in part):
                    values = [part["example"]] if "example" in part else [e["value"] for e in part["examples"].values()]
                    found.extend((part["schema"], value, where) for value in values)
                for name, below in part.items():
                    walk(below, f"{where}/{name}")
            elif isinstance(part, list):
                for below in part:
                    walk(below, where)

        walk(self.content, "")
        return found
