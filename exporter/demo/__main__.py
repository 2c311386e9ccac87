"""`python -m exporter.demo`, which `make demo` runs."""

import typer

from exporter.demo.outage import main

typer.run(main)
