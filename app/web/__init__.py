"""The HTTP API and its pages: small blueprints by subject, one way to read input, one way to answer errors.

`app.web.app.create_app(services)` builds it, `app.web.serve.serve(settings)` runs it.
"""
