"""`systemctl` for a scratch root: starts and stops services as their unit files say, without the sandbox."""

import os
import pwd
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

RUN = Path("/run")


class Unit:
    """A unit file with its drop-ins."""

    def __init__(self, name: str) -> None:
        self.name = name
        folders = [Path("/etc/systemd/system"), Path("/lib/systemd/system")]
        (path, *_) = (folder / name for folder in folders if (folder / name).exists())
        files = [path, *sorted(Path(f"/etc/systemd/system/{name}.d").glob("*.conf"))]
        self.settings: dict[str, list[str]] = defaultdict(list)
        for file in files:
            for key, value in re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE):
                self.settings[key].append(value)
        self._pid = RUN / f"{name}.pid"

    def start(self) -> None:
        user = pwd.getpwnam(self.settings["User"][0])
        environment = {"PATH": os.environ["PATH"], "HOME": user.pw_dir, **self._environment()}
        for name in self.settings["StateDirectory"]:
            state = Path("/var/lib") / name
            state.mkdir(exist_ok=True)
            state.chmod(int(self.settings["StateDirectoryMode"][0], 8))
            os.chown(state, user.pw_uid, user.pw_gid)
        notify = RUN / f"{self.name}.notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(notify))
            ready.settimeout(60)
            notify.chmod(0o777)
            waits = self.settings["Type"] == ["notify"]
            if waits:
                environment["NOTIFY_SOCKET"] = str(notify)
            for line in [*self.settings["ExecStartPre"], *self.settings["ExecStart"]]:
                words = [
                    word
                    for part in shlex.split(line)
                    for word in (shlex.split(environment[part[1:]]) if part[0] == "$" else [part])
                ]
                with (RUN / f"{self.name}.log").open("ab") as log:
                    process = subprocess.Popen(
                        words,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        user=user.pw_uid,
                        group=user.pw_gid,
                        extra_groups=[],
                        umask=int((self.settings["UMask"] or ["0022"])[0], 8),
                        start_new_session=True,
                        cwd="/",
                    )
                if line in self.settings["ExecStartPre"] and process.wait():
                    sys.exit(f"{self.name}: {line} failed")
            self._pid.write_text(str(process.pid))
            while waits and b"READY=1" not in ready.recv(4096).split(b"\n"):
                continue

    def _environment(self) -> dict[str, str]:
        text = "\n".join(self.settings["Environment"]) + "\n"
        for name in self.settings["EnvironmentFile"]:
            text += Path(name.lstrip("-")).read_text() + "\n"
        lines = re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)
        return {name: "".join(shlex.split(value)) for name, value in lines}

    def stop(self) -> None:
        if not self._pid.exists():
            return
        pid = int(self._pid.read_text())
        self._pid.unlink()
        os.kill(pid, signal.SIGTERM)
        while _runs(pid):
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def main(verb: str, *arguments: str) -> None:
    units = [Unit(name) for name in arguments if not name.startswith("-")]
    if verb in ("stop", "restart"):
        for unit in units:
            unit.stop()
    if verb in ("start", "restart") or "--now" in arguments:
        for unit in units:
            unit.start()
    assert verb in ("daemon-reload", "enable", "disable", "start", "stop", "restart"), verb


if __name__ == "__main__":
    main(*sys.argv[1:])
