#!/usr/bin/env python3
"""Print the installed version of a Python package, for the versions table of a run.

Every task calls this, so it looks for the package's folder itself: importlib.metadata takes ten times as long to import.
"""

import os
import sys


def plain(name):
    return name.lower().replace("-", "_").replace(".", "_")


def installed(package):
    for folder in filter(os.path.isdir, sys.path):
        for entry in os.listdir(folder):
            name, _, version = entry.removesuffix(".dist-info").rpartition("-")
            if entry.endswith(".dist-info") and plain(name) == plain(package):
                return version
    from importlib.metadata import PackageNotFoundError, version  # knows the rare other forms, too

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    print(installed(sys.argv[1]))
