"""What `kubectl kustomize` makes of a folder, for the part of kustomize that deploy/kubernetes uses.

Debian's kubectl (1.20) is too old for components. It is faithful only because it refuses everything that
it does not know: with a current kubectl on the machine, tests run with both and see any difference.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

Object = dict[str, Any]
Builder = Callable[[Path], list[Object]]

_KEYS: Final = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "components",
    "images",
    "labels",
    "patches",
}
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's: the rules and dashboards are 600 KB, ten times as long for the one in Python."""
_CLUSTER_WIDE: Final = {"Namespace"}


def assembled(folder: Path) -> list[Object]:
    """The objects of the folder's kustomization.yaml; `ValueError` for what kustomize would refuse, and
    for what it has and this has not."""
    return _build(folder.resolve(), "Kustomization")


def with_kubectl(folder: Path) -> list[Object]:
    """The same by the real program."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(done.stderr)
    return list(yaml.load_all(done.stdout, _LOADER))


def builders() -> dict[str, Builder]:
    """Every way of building that this machine has."""
    found: dict[str, Builder] = {"assembled": assembled}
    if kubectl := shutil.which("kubectl"):
        version = subprocess.run(
            [kubectl, "version", "--client", "-o", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
        # From 1.24 on kubectl names its kustomize; components came with 1.21.
        if "kustomizeVersion" in json.loads(version.stdout or "{}"):
            found["kubectl"] = with_kubectl
    return found


def _build(folder: Path, kind: str) -> list[Object]:
    document = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if unknown := document.keys() - _KEYS:
        raise ValueError(f"{folder}: {unknown} is not assembled here")
    if document["kind"] != kind:
        raise ValueError(f"{folder}: kind {document['kind']}, wanted {kind}")
    objects: list[Object] = []
    for name in document.get("resources", ()):
        path = (folder / name).resolve()
        if path.is_dir():
            objects += _build(path, "Kustomization")
        elif folder not in path.parents:
            raise ValueError(f"{folder}: kustomize reads no file outside of it: {name}")
        else:
            objects += _objects(path)
    for name in document.get("components", ()):
        objects += _build((folder / name).resolve(), "Component")
    for patch in document.get("patches", ()):
        _patch(objects, patch)
    for one in objects:
        if document.get("namespace") and one["kind"] not in _CLUSTER_WIDE:
            one["metadata"]["namespace"] = document["namespace"]
        for label in document.get("labels", ()):
            one["metadata"].setdefault("labels", {}).update(label["pairs"])
        for image in document.get("images", ()):
            _rename(one, image)
    identities = [identity(one) for one in objects]
    if len(set(identities)) < len(identities):
        raise ValueError(f"{folder}: an object is there twice: {identities}")
    return objects


def identity(one: Object) -> tuple[str, str]:
    """Kind and name."""
    return one["kind"], one["metadata"]["name"]


def _objects(path: Path) -> list[Object]:
    found = []
    for one in yaml.load_all(path.read_text(encoding="utf-8"), _LOADER):
        found += one["items"] if one["kind"] == "List" else [one]
    return found


def _patch(objects: list[Object], patch: Object) -> None:
    """JSON patches of values that are there."""
    (target,) = (
        one
        for one in objects
        if identity(one) == (patch["target"]["kind"], patch["target"]["name"])
    )
    for step in yaml.safe_load(patch["patch"]):
        *path, last = [
            int(part) if part.isdigit() else part.replace("~1", "/").replace("~0", "~")
            for part in step["path"].strip("/").split("/")
        ]
        at: Any = target
        for part in path:
            at = at[part]
        if step["op"] != "replace" or (last not in at and not isinstance(last, int)):
            raise ValueError(f"{step} is not assembled here")
        at[last] = step["value"]


def _rename(one: Object, image: Object) -> None:
    template = one.get("spec", {}).get("template", {})
    for container in template.get("spec", {}).get("containers", ()):
        name, _, tag = container["image"].rpartition(":")
        if name == image["name"]:
            container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"
