"""`python -m imagejob_operator`."""

import sys

from imagejob_operator.main import main

sys.exit(main())
