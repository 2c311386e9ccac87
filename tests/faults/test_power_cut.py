import asyncio

from exporter.ledger import recovery
from exporter.ledger.store import Store
from tests.faults.power_cut import Disk, Sync, Truncate, Write, cut_power, write_down


def campaign(folder, ids, cuts):
    async def run():
        journal = await write_down(folder / "writing", ids, seed=1)
        return await cut_power(folder / "cut", journal, cuts, seed=2)

    return asyncio.run(run())


def test_no_acknowledged_event_is_lost_when_the_power_goes(tmp_path):
    """A hundred cuts in `make faults`. Fails on both mutants of the next tests."""
    found = campaign(tmp_path, 6000, 20)
    assert (found.cuts, found.lost, found.doubled, found.damaged) == (20, 0, 0, 0)
    assert found.torn > 10, "nothing was ever on its way"


def told_to(pragma):
    class Told(Store):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self._execute(pragma)

    return Told


def test_a_ledger_that_never_syncs_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(recovery, "Store", told_to("PRAGMA synchronous=OFF"))
    assert campaign(tmp_path, 2000, 10).lost > 0


def test_a_ledger_that_syncs_at_checkpoints_only_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(recovery, "Store", told_to("PRAGMA synchronous=NORMAL"))
    assert campaign(tmp_path, 2000, 10).lost > 0


def test_a_cut_keeps_what_was_synced_and_sectors_of_the_rest():
    disk = Disk()
    for step in (
        Write("a", 0, b"1" * 1024),
        Sync("a"),
        Write("a", 256, b"2" * 1024),
        Truncate("a", 600),
    ):
        disk.take(step)
    images = {disk.cut(Always(share))["a"] for share in (0.0, 1.0)}
    assert images == {b"1" * 1024, b"1" * 256 + b"2" * 344}
    torn = disk.cut(Every(2))["a"]
    assert torn == b"1" * 512 + b"2" * 88


class Always:
    """A chance that takes everything or nothing."""

    def __init__(self, share):
        self.share = share

    def choice(self, _shares):
        return self.share

    def random(self):
        return 0.5


class Every(Always):
    """A chance that takes each second piece, beginning with the second."""

    def __init__(self, number):
        super().__init__(0.5)
        self.number, self.asked = number, 0

    def random(self):
        self.asked += 1
        return float(self.asked % self.number)
