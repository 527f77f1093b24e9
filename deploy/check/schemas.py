#!/usr/bin/env python3
"""Checks rendered objects by the schemas of Kubernetes: schemas.py VERSION,VERSION… RENDERED.yaml…

By kubernetes-validate's library in its strict mode, which knows no field beyond the schema's. Its command does the
same, and reads the definitions of a whole version for each object. Objects that are the same in several files are
checked once. Kinds that Kubernetes itself does not have are checked by the schemas of deploy/check/crds/.
"""

import functools
import json
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate.utils as kubernetes
from kubernetes_validate.version import __version__

from objects import load, name_of

CRDS = Path(__file__).parent / "crds"


def custom_schema(item):
    path = CRDS / f"{item['kind'].lower()}.{item['apiVersion'].replace('/', '.')}.schema.json"
    return json.loads(path.read_text()) if path.exists() else None


def faults_of(item, version):
    try:
        kubernetes.validate(item, version, strict=True)
        return []
    except kubernetes.SchemaNotFoundError as error:
        schema = custom_schema(item)
        if schema is None:
            return [f"{error.message}, and deploy/check/crds has none"]
        found = jsonschema.Draft202012Validator(schema).iter_errors(item)
        return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in found]
    except kubernetes.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]


def main(versions, paths):
    # What the library reads for each object is the same each time.
    kubernetes.schema_contents = functools.lru_cache(maxsize=None)(kubernetes.schema_contents)
    known = [kubernetes.major_minor(version) for version in kubernetes.all_versions()]
    faults, checked, custom = 0, {}, set()
    for version in versions:
        # A version that it does not know it takes for the one before.
        if version not in known:
            print(f"kubernetes-validate {__version__} has no schemas of Kubernetes {version}")
            return 2
        for path in paths:
            for item in load(path):
                key = (version, json.dumps(item, sort_keys=True))
                if key not in checked:
                    checked[key] = faults_of(item, version)
                for fault in checked[key]:
                    faults += 1
                    print(f"{path}: {name_of(item)} by Kubernetes {version}: {fault}")
                if custom_schema(item):
                    custom.add(f"{item['kind']} ({item['apiVersion']})")
    different = len({text for _, text in checked})
    print(f"kubernetes-validate {__version__}: {different} different objects in {len(paths)} sets, "
          f"by Kubernetes {', '.join(versions)}, {faults} faults")
    for kind in sorted(custom):
        print(f"  {kind} is none of Kubernetes' kinds: checked by a schema of our own, of the fields used here")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(","), sys.argv[2:]))
