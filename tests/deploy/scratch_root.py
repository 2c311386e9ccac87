"""A copy of this machine in which a test, as root, installs as a page says; afterwards the copy is gone.

The files are those of this machine, and changes stay in memory. Processes, mounts and network are its own, so
programs have their default ports. systemd does not run there: `systemctl` is tests/deploy/systemctl.py.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.e2e.exporter_process import ROOT
from tests.root import as_root

REPOSITORY: Final = Path("/opt/session-end-exporter")
STUBS: Final = Path("/opt/stubs")
_SCRIPT: Final = """
scratch=$1 repository=$2 prefix=$3 python=$4
shift 4
mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch"
cd "$scratch"
mkdir root upper work repository-upper repository-work
mount -t overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" overlay root
for folder in "$repository" "$prefix"; do
    # They are on another disk than /.
    [ -e "root$folder" ] || { mkdir -p "root$folder"; mount --bind "$folder" "root$folder"; }
    # Services are users who may not read the home of root.
    parent=$(dirname "$folder")
    while [ "$parent" != / ]; do chmod o+x "root$parent"; parent=$(dirname "$parent"); done
done
cd root
mkdir -p opt/session-end-exporter opt/stubs
layers="lowerdir=$repository,upperdir=$scratch/repository-upper,workdir=$scratch/repository-work"
mount -t overlay -o "$layers" overlay opt/session-end-exporter
mount -t proc proc proc
mount -t tmpfs tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
mkdir dev/shm
printf '#!/bin/sh\\nexec %s %s/tests/deploy/systemctl.py "$@"\\n' "$python" "$repository" >opt/stubs/systemctl
# The repository is up to date.
printf '#!/bin/sh\\necho "$0 $*"\\n' >opt/stubs/git
chmod +x opt/stubs/*
ip link set lo up
pivot_root . mnt
umount --lazy mnt
cd "$repository"
# Without exec: the shell, as the first process, collects the exit codes of services that stop.
"$python" "$@"
exit $?
"""


def run_in_scratch_root(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with arguments in the checkout, in a new scratch root that is mounted at `folder`."""
    given = (str(folder), str(ROOT), sys.base_prefix, sys.executable, *command)
    namespaces = ("--mount", "--net", "--pid", "--fork", "--kill-child")
    return as_root("unshare", *namespaces, "sh", "-eu", "-c", _SCRIPT, "sh", *given)
