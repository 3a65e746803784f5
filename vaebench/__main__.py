"""``python -m vaebench`` runs the command line with this interpreter."""

from vaebench.cli import main

main()
