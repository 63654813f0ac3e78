#!/usr/bin/env python3
"""Write an image's bill of materials (CycloneDX, JSON): bill_of_materials.py ENGINE IMAGE FOLDER.

Prints one line: image, size, number of packages. The packages are asked for in the image itself, so that the bill says what is
there and not what was asked for.
"""

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

#: Runs in the image; prints [[name, version, licence], ...] of the Python packages.
PYTHON_PACKAGES = """
import json
from importlib.metadata import distributions
def licence(about):
    named = [text.split(" :: ")[-1] for text in about.get_all("Classifier") or () if text.startswith("License :: ")]
    free = (about["License"] or "").strip()
    return about["License-Expression"] or (free if free and len(free) < 60 and "\\n" not in free else " AND ".join(named))
print(json.dumps(sorted([d.metadata["Name"], d.version, licence(d.metadata)] for d in distributions())))
"""
DEBIAN_PACKAGES = ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n"]


def bill_of_materials(engine: str, image: str) -> tuple[Bom, int]:
    """The bill of an image, and the image's size in bytes."""

    def inside(*command: str) -> str:
        call = [engine, "run", "--rm", "--network", "none", image, *command]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout

    about = json.loads(subprocess.run([engine, "image", "inspect", image], capture_output=True, check=True).stdout)[0]
    licences = LicenseFactory()
    parts = [
        Component(
            name=name,
            version=version,
            purl=PackageURL("pypi", None, name.lower().replace("_", "-"), version),
            licenses=[licences.make_from_string(licence)] if licence else [],
        )
        for name, version, licence in json.loads(inside("python3", "-c", PYTHON_PACKAGES))
    ]
    for line in inside(*DEBIAN_PACKAGES).splitlines():
        name, version, architecture = line.split("\t")
        purl = PackageURL("deb", "debian", name, version, {"arch": architecture})
        parts.append(Component(name=name, version=version, purl=purl))
    name, _, tag = image.rpartition(":")
    bill = Bom(components=parts)
    bill.metadata.component = Component(
        name=name,
        version=tag,
        type=ComponentType.CONTAINER,
        properties=[
            Property(name="image:id", value=about["Id"]),
            Property(name="image:bytes", value=str(about["Size"])),
        ],
    )
    return bill, about["Size"]


if __name__ == "__main__":
    engine, image, folder = sys.argv[1:]
    bill, size = bill_of_materials(engine, image)
    target = Path(folder) / f"{image.rpartition('/')[2].replace(':', '-')}.cdx.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(JsonV1Dot6(bill).output_as_string(indent=1))
    print(f"{image}\t{size / 1e6:.0f} MB\t{len(bill.components)} packages\t{target}")
