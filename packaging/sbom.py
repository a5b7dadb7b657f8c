"""The crates in a binary, as a bill of materials in CycloneDX 1.5."""

import json
import subprocess
import time
import tomllib
import uuid


def sbom(source, project, target, epoch):
    """The name and the bytes of the bill of materials."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    found = json.loads(subprocess.run(command, cwd=source, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in found["packages"]}
    locked = tomllib.loads((source / "Cargo.lock").read_text())["package"]
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in locked}
    linked = {
        node["id"]: sorted(dep["pkg"] for dep in node["deps"] if any(k["kind"] is None for k in dep["dep_kinds"]))
        for node in found["resolve"]["nodes"]
    }
    (root,) = (one for one, package in packages.items() if package["name"] == project["name"])
    reached, waiting = set(), [root]
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += linked[one]

    def component(one, kind):
        package = packages[one]
        entry = {
            "type": kind, "bom-ref": purl(package), "name": package["name"],
            "version": package["version"], "purl": purl(package),
        }
        if package["license"]:
            # Some crates write a slash for OR, which is not a valid expression.
            entry["licenses"] = [{"expression": package["license"].replace("/", " OR ").replace("  ", " ")}]
        checksum = checksums.get((package["name"], package["version"]))
        if checksum:
            entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return entry

    order = sorted(reached, key=lambda one: purl(packages[one]))
    compiler = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.split()
    name = f"{project['name']}-{project['version']}-{target}"
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"{name}-{epoch}").urn,
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
            "tools": {"components": [{"type": "application", "name": compiler[0], "version": compiler[1]}]},
            "component": component(root, "application"),
        },
        "components": [component(one, "library") for one in order if one != root],
        "dependencies": [
            {"ref": purl(packages[one]), "dependsOn": sorted(purl(packages[dep]) for dep in linked[one])}
            for one in order
        ],
    }
    return f"{name}.cdx.json", (json.dumps(bill, indent=1) + "\n").encode()


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"
