"""`systemctl` for a scratch root: Debian's start-stop-daemon runs services as their unit files say, without
the sandbox."""

import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

Settings = dict[str, list[str]]


def settings(name: str) -> Settings:
    """The values of each key in a unit file and its drop-ins."""
    folders = [Path("/etc/systemd/system"), Path("/lib/systemd/system")]
    (path, *_) = (folder / name for folder in folders if (folder / name).exists())
    unit: Settings = defaultdict(list)
    for file in [path, *sorted(Path(f"/etc/systemd/system/{name}.d").glob("*.conf"))]:
        for key, value in re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE):
            unit[key].append(value)
    return unit


def variables(unit: Settings) -> dict[str, str]:
    texts = [
        *unit["Environment"],
        *(Path(f.lstrip("-")).read_text() for f in unit["EnvironmentFile"]),
    ]
    lines = re.findall(r"^(\w+)=(.*)$", "\n".join(texts), re.MULTILINE)
    return {name: "".join(shlex.split(value)) for name, value in lines}


def daemon(name: str, *arguments: str, **environment: str) -> None:
    command = ["start-stop-daemon", "--pidfile", f"/run/{name}.pid", *arguments]
    subprocess.run(
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], **environment},
    )


def start(name: str) -> None:
    unit = settings(name)
    (user,) = unit["User"]
    environment = {"HOME": os.path.expanduser(f"~{user}"), **variables(unit)}
    for folder in unit["StateDirectory"]:
        (mode,) = unit["StateDirectoryMode"]
        owner = ["-o", user, "-g", user, "-m", mode]
        subprocess.run(["install", "-d", *owner, f"/var/lib/{folder}"], check=True)
    background = ["--background", "--make-pidfile", "--output", f"/run/{name}.log"]
    if unit["Type"] == ["notify"]:
        background += ["--notify-await", "--notify-timeout", "60"]
    for key, options in (("ExecStartPre", []), ("ExecStart", background)):
        for line in unit[key]:
            program, *arguments = [
                word
                for part in shlex.split(line)
                for word in (shlex.split(environment[part[1:]]) if part[0] == "$" else [part])
            ]
            limits = ["--chuid", user, "--umask", *(unit["UMask"] or ["022"]), "--chdir", "/"]
            command = ["--startas", program, "--", *arguments]
            daemon(name, "--start", *limits, *options, *command, **environment)


def main(verb: str, *arguments: str) -> None:
    units = [name for name in arguments if not name.startswith("-")]
    if verb in ("stop", "restart"):
        for name in units:
            daemon(name, "--stop", "--oknodo", "--remove-pidfile", "--retry", "TERM/60")
    if verb in ("start", "restart") or "--now" in arguments:
        for name in units:
            start(name)
    assert verb in ("daemon-reload", "enable", "disable", "start", "stop", "restart"), verb


if __name__ == "__main__":
    main(*sys.argv[1:])
