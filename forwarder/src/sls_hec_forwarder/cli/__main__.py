"""`python -m sls_hec_forwarder.cli`."""

import sys

from sls_hec_forwarder.cli import main

sys.exit(main())
