"""`python -m responder` is `responder`."""

from responder import cli

cli.main()
