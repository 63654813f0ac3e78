"""Print, as shell exports, what uv has to be told to use the package index that pip is configured for.

uv reads no pip.conf and trusts its own certificates unless told otherwise.
"""

import ast
import os
import shlex
import subprocess
import sys

UV_NAME = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}

listing = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
setting = dict(line.split("=", 1) for line in listing.splitlines() if "=" in line)
exports = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
for section in ("global", "install", ":env:"):  # as in pip, the later one wins
    for option, name in UV_NAME.items():
        if value := setting.get(f"{section}.{option}"):
            words = ast.literal_eval(value).split()
            exports[name] = ("," if option == "find-links" else " ").join(words)
if "UV_INDEX" in exports:
    exports["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip takes the best version of all indexes
for name, value in exports.items():
    if name not in os.environ:
        print(f"export {name}={shlex.quote(value)}")
