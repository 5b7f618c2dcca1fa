"""The line's front door without an installation: `python -m smaknet_core` is `smaknet`."""

import sys

from smaknet_core.cli import main

sys.exit(main())
