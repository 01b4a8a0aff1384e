"""What the operations of the OpenAPI document have in common, said once in its `components`."""

import http
from typing import Any

Schema = dict[str, Any]


def share_components(result: Schema, **context: Any) -> Schema:
    """Replace headers, problems and header parameters by references; a postprocessing hook of drf-spectacular.

    Of several that would have the same name, the first is shared, and others stay where they are.
    """
    for path in result["paths"].values():
        for operation in path.values():
            _share_parameters(operation, result["components"])
            _share_responses(operation["responses"], result["components"])
    return result


def _share_parameters(operation: Schema, components: Schema) -> None:
    parameters = operation.get("parameters", [])
    for position, parameter in enumerate(parameters):
        if parameter["in"] == "header":
            parameters[position] = _shared(components, "parameters", parameter["name"], parameter)


def _share_responses(responses: Schema, components: Schema) -> None:
    for status, response in responses.items():
        headers = response.get("headers", {})
        for name, header in headers.items():
            headers[name] = _shared(components, "headers", name, header)
        if int(status) >= 300:
            name = http.HTTPStatus(int(status)).phrase.replace(" ", "")
            responses[status] = _shared(components, "responses", name, response)


def _shared(components: Schema, kind: str, name: str, described: Schema) -> Schema:
    first = components.setdefault(kind, {}).setdefault(name, described)
    return {"$ref": f"#/components/{kind}/{name}"} if first == described else described
