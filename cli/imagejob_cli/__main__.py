"""`python -m imagejob_cli`."""

import sys

from imagejob_cli.main import main

sys.exit(main())
