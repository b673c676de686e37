"""HTTP: decode the request, call the engine, encode the reply.

The only room that speaks starlette and the only one that is asynchronous. No rule about points,
times or storage lives here; `openapi/tsvec.yaml` describes what it serves.
"""
