#!/usr/bin/env python3
"""Print the installed version of a Python package, for the versions table of a run; imports nothing heavy."""

import sys
from importlib.metadata import PackageNotFoundError, version

try:
    print(version(sys.argv[1]))
except PackageNotFoundError:
    print("not installed")
