"""Reads the facts of `contract_facts.json` out of the service's OpenAPI document.

`python tests/unit/_wire/read_contract.py DOCUMENT > tests/unit/_wire/contract_facts.json`, with the document that
Cognite publishes at https://api-docs.cognite.com, as JSON. It keeps what a program can go by: methods, paths, members
with their types, values and limits; of the operations that we use or serve, and without the words of the document.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: The operations that the client sends.
OPERATIONS = [
    ("get", "/token/inspect"),
    ("post", "/sessions"),
    ("post", "/sessions/byids"),
    ("get", "/functions/limits"),
    ("post", "/functions/list"),
    ("post", "/functions/byids"),
    ("post", "/functions/{functionId}/call"),
    ("post", "/functions/{functionId}/calls/byids"),
    ("post", "/functions/{functionId}/calls/list"),
    ("get", "/functions/{functionId}/calls/{callId}"),
    ("get", "/functions/{functionId}/calls/{callId}/response"),
    ("get", "/functions/{functionId}/calls/{callId}/logs"),
    ("get", "/sessions"),
    ("post", "/sessions/revoke"),
    ("post", "/functions/schedules"),
    ("post", "/functions/schedules/list"),
    ("post", "/functions/schedules/byids"),
    ("post", "/functions/schedules/delete"),
    ("get", "/functions/schedules/{scheduleId}"),
    ("get", "/functions/schedules/{scheduleId}/input_data"),
    ("post", "/functions"),
    ("post", "/functions/delete"),
    ("get", "/functions/status"),
    ("post", "/functions/status"),
    ("get", "/files"),
    ("post", "/files"),
    ("post", "/files/byids"),
    ("post", "/files/delete"),
    ("post", "/files/downloadlink"),
]
#: The others that the local server answers.
SERVED = [
    ("get", "/functions"),
    ("get", "/functions/{functionId}"),
    ("get", "/functions/{functionId}/calls"),
    ("get", "/functions/schedules"),
    ("get", "/files/{id}"),
]
#: Of which everything is named that the document has, used or not.
TOPICS = ("/functions", "/sessions")
#: Kept as they stand; the others say how something is shown, or are put together below.
KEYWORDS = [
    "type",
    "enum",
    "required",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "maxLength",
    "readOnly",
    "writeOnly",
]
#: Some hundred kinds, which we read alike: the members of one are its kind and `projectScope`.
CUT = "Capability"


class Reader:
    """Reads one document."""

    def __init__(self, document: Any) -> None:
        self.document = document

    def facts(self) -> dict[str, Any]:
        """Return all facts."""
        info = self.document["info"]
        return {
            "document": f"{info['title']} {info['version']}",
            "operations": {f"{method} {path}": self.operation(method, path) for method, path in OPERATIONS},
            "served": {f"{method} {path}": self.operation(method, path) for method, path in SERVED},
            "documented": sorted(
                f"{method} {path}"
                for path, operations in self.document["paths"].items()
                for method in operations
                if path.startswith(TOPICS) and method in {"get", "post", "put", "patch", "delete"}
            ),
            "error": self.schema({"$ref": "#/components/schemas/Error"}),
        }

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """Return what goes into an operation, and what comes out of it when it succeeds."""
        operation = self.document["paths"][path][method]
        (status,) = (status for status in operation["responses"] if status.startswith("2"))
        (server,) = operation.get("servers", self.document["servers"])
        return {
            "base": urlsplit(server["url"]).path,
            "status": int(status),
            "request": self.body(operation["requestBody"]) if "requestBody" in operation else None,
            "response": self.body(operation["responses"][status]),
        }

    def body(self, holder: Any) -> dict[str, Any]:
        """Return the schema of a JSON body."""
        return self.schema(self.follow(holder)["content"]["application/json"]["schema"])

    def follow(self, node: Any) -> Any:
        """Return what a reference is to."""
        while "$ref" in node:
            _, *steps = node["$ref"].split("/")
            node = self.document
            for step in steps:
                node = node[step]
        return node

    def schema(self, node: Any) -> dict[str, Any]:
        """Return a schema with its references and parts put together."""
        if node.get("$ref", "").endswith(f"/{CUT}"):
            return {"type": "object"}
        node = self.follow(node)
        facts: dict[str, Any] = {"properties": {}, "required": []}
        # A choice with one option is that option.
        choices = [node[word] for word in ("oneOf", "anyOf") if word in node]
        parts = [*node.get("allOf", ()), *(choice[0] for choice in choices if len(choice) == 1)]
        for part in map(self.schema, parts):
            facts |= part | {
                "properties": facts["properties"] | part.get("properties", {}),
                "required": [*facts["required"], *part.get("required", ())],
            }
        facts |= {word: node[word] for word in KEYWORDS if word in node and word != "required"}
        facts["required"] += node.get("required", ())
        facts["properties"] |= {name: self.schema(member) for name, member in node.get("properties", {}).items()}
        if "items" in node:
            facts["items"] = self.schema(node["items"])
        if isinstance(node.get("additionalProperties"), dict):
            facts["additionalProperties"] = self.schema(node["additionalProperties"])
        for choice in choices:
            if len(choice) > 1:
                facts["oneOf"] = [self.schema(each) for each in choice]
        return {word: value for word, value in facts.items() if value not in ([], {})}


if __name__ == "__main__":
    facts = Reader(json.loads(Path(sys.argv[1]).read_text())).facts()
    sys.stdout.write(json.dumps(facts, indent=1, sort_keys=True) + "\n")
