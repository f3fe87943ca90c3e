"""Whatever is sent to the API, it answers, and never with a 500, a stack trace or silence.

world      a real API process on servers of its own, with rows of two users; what it was asked and answered is counted by kind
drive      hypothesis as a generator: so many examples of a strategy, the smallest one that fails is shown
requests   the API from its OpenAPI description (schemathesis), one request by one and in sequences that follow each other
callers    tokens, webhooks, raw bytes
files      calendar and task files
sockets    Socket.IO
"""
