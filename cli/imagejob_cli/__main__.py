"""`python -m imagejob_cli`."""

import sys

from imagejob_cli.entry import main

sys.exit(main())
