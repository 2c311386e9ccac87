"""The objects that `kubectl kustomize` makes of a folder, for the features that deploy/kubernetes uses.

Debian 12's kubectl is too old for components. Everything unknown is refused; where a current kubectl is
installed, the tests compare its objects with these.
"""

from pathlib import Path
from typing import Any, Final

import yaml

Object = dict[str, Any]
_KEYS: Final = {
    *("apiVersion", "kind", "namespace", "resources", "components", "images", "labels"),
    *("patches", "configMapGenerator", "generatorOptions"),
}
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader reads the rules and dashboards ten times as fast as the loader in Python."""


def build(folder: Path) -> list[Object]:
    """The objects of the folder's kustomization.yaml. Raises `ValueError` for anything unsupported."""
    return _build(folder.resolve(), "Kustomization", [])


def identity(item: Object) -> tuple[str, str]:
    """Kind and name."""
    return item["kind"], item["metadata"]["name"]


def _build(folder: Path, kind: str, objects: list[Object]) -> list[Object]:
    """Adds the folder's objects to `objects`, and changes all of them: a component gets earlier objects."""
    document = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if document["kind"] != kind or not document.keys() <= _KEYS:
        raise ValueError(f"{folder}: {document.keys() - _KEYS or document['kind']} is unsupported")
    for name in document.get("resources", ()):
        path = (folder / name).resolve()
        if path.is_dir():
            objects += _build(path, "Kustomization", [])
        elif folder not in path.parents:
            raise ValueError(f"{folder}: kustomize reads no file outside of it: {name}")
        else:
            objects += yaml.load_all(path.read_text(encoding="utf-8"), LOADER)
    options = document.get("generatorOptions", {})
    objects += [
        _config_map(folder, {"options": options, **generator})
        for generator in document.get("configMapGenerator", ())
    ]
    for name in document.get("components", ()):
        _build((folder / name).resolve(), "Component", objects)
    by_identity = {identity(item): item for item in objects}
    if len(by_identity) < len(objects):
        raise ValueError(f"{folder}: two objects have one name: {[*map(identity, objects)]}")
    for patch in document.get("patches", ()):
        text = patch["patch"] if "patch" in patch else (folder / patch["path"]).read_text("utf-8")
        target = by_identity[patch["target"]["kind"], patch["target"]["name"]]
        for step in yaml.safe_load(text):
            _apply(target, step)
    for item in objects:
        if document.get("namespace") and item["kind"] != "Namespace":
            item["metadata"]["namespace"] = document["namespace"]
        for label in document.get("labels", ()):
            item["metadata"].setdefault("labels", {}).update(label["pairs"])
        template = item.get("spec", {}).get("template", {})
        for container in template.get("spec", {}).get("containers", ()):
            for image in document.get("images", ()):
                if container["image"].partition(":")[0] == image["name"]:
                    name = image.get("newName", image["name"])
                    container["image"] = f"{name}:{image['newTag']}"
    return objects


def _config_map(folder: Path, generator: Object) -> Object:
    """A ConfigMap of files, with the written name: objects of other folders mount it."""
    options = generator["options"]
    if generator.keys() != {"name", "files", "options"} or not options["disableNameSuffixHash"]:
        raise ValueError(f"{folder}: {generator} is unsupported")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": generator["name"], "labels": dict(options.get("labels", {}))},
        "data": {
            Path(name).name: (folder / name).read_text(encoding="utf-8")
            for name in generator["files"]
        },
    }


def _apply(target: Any, step: Object) -> None:
    """One step of a JSON patch."""
    *path, last = [
        int(part) if part.isdigit() else part.replace("~1", "/").replace("~0", "~")
        for part in step["path"].strip("/").split("/")
    ]
    for part in path:
        target = target[part]
    exists = last in target if isinstance(target, dict) else last in range(len(target))
    match step["op"]:
        case "add" if last == "-":
            target.append(step["value"])
        case "add" if isinstance(target, dict):
            target[last] = step["value"]
        case "replace" if exists:
            target[last] = step["value"]
        case "remove" if exists:
            del target[last]
        case "test" if exists and target[last] == step["value"]:
            pass
        case _:
            raise ValueError(f"{step} fails or is unsupported")
