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
    "configMapGenerator",
    "generatorOptions",
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


def _build(folder: Path, kind: str, objects: list[Object] | None = None) -> list[Object]:
    """What the folder adds to `objects`, and makes of all of them: a component is given those of before."""
    document = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if unknown := document.keys() - _KEYS:
        raise ValueError(f"{folder}: {unknown} is not assembled here")
    if document["kind"] != kind:
        raise ValueError(f"{folder}: kind {document['kind']}, wanted {kind}")
    objects = [] if objects is None else objects
    for name in document.get("resources", ()):
        path = (folder / name).resolve()
        if path.is_dir():
            objects += _build(path, "Kustomization")
        elif folder not in path.parents:
            raise ValueError(f"{folder}: kustomize reads no file outside of it: {name}")
        else:
            objects += _objects(path)
    options = document.get("generatorOptions", {})
    objects += [
        _config_map(folder, {"options": options, **generator})
        for generator in document.get("configMapGenerator", ())
    ]
    for name in document.get("components", ()):
        _build((folder / name).resolve(), "Component", objects)
    for patch in document.get("patches", ()):
        _patch(folder, objects, patch)
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


def _config_map(folder: Path, generator: Object) -> Object:
    """Of files, under the name that is written, which is what objects of other folders mount."""
    options = generator["options"]
    if generator.keys() != {"name", "files", "options"} or not options["disableNameSuffixHash"]:
        raise ValueError(f"{folder}: {generator} is not assembled here")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": generator["name"], "labels": dict(options["labels"])},
        "data": {name: (folder / name).read_text(encoding="utf-8") for name in generator["files"]},
    }


def _patch(folder: Path, objects: list[Object], patch: Object) -> None:
    """JSON patches, written out or in a file."""
    (target,) = (
        one
        for one in objects
        if identity(one) == (patch["target"]["kind"], patch["target"]["name"])
    )
    text = patch["patch"] if "patch" in patch else (folder / patch["path"]).read_text("utf-8")
    for step in yaml.safe_load(text):
        *path, last = [
            int(part) if part.isdigit() else part.replace("~1", "/").replace("~0", "~")
            for part in step["path"].strip("/").split("/")
        ]
        at: Any = target
        for part in path:
            at = at[part]
        _step(at, last, step)


def _step(at: Any, last: str | int, step: Object) -> None:
    there = last in at if isinstance(at, dict) else isinstance(last, int) and last < len(at)
    match step["op"]:
        case "add" if isinstance(at, dict):
            at[last] = step["value"]
        case "add" if last == "-":
            at.append(step["value"])
        case "replace" if there:
            at[last] = step["value"]
        case "remove" if there:
            del at[last]
        case "test" if there and at[last] == step["value"]:
            pass
        case _:
            raise ValueError(f"{step} is not assembled here, or not to be done")


def _rename(one: Object, image: Object) -> None:
    template = one.get("spec", {}).get("template", {})
    for container in template.get("spec", {}).get("containers", ()):
        name, _, tag = container["image"].rpartition(":")
        if name == image["name"]:
            container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"
