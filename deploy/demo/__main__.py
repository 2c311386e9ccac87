"""`python -m deploy.demo`, which `make demo` runs."""

import typer

from deploy.demo.outage import main

typer.run(main)
