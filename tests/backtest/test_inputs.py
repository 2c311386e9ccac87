"""Files as `send` reads them: mapped columns, and CloudEvents."""

import json
from pathlib import Path

from tests.backtest.histories import event, run


def test_column_option_names_the_column_of_the_code(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("system,error_code,Time\nstreampixel,4001,2026-01-05T00:00:00Z\n")
    refused = run([table])
    assert refused.code == 1
    assert "`error_code` is near: --column code=error_code" in refused.errors
    done = run([table], columns=("code=error_code", "occurred_at=Time"))
    assert (done.code, done.errors) == (0, "")
    assert "1 ends" in done.text
    assert run([table], columns=("cod=x",)).code == 2


def test_column_option_for_a_key_that_no_record_has_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(json.dumps(event(0.0)) + "\n")
    done = run([path], columns=("code=error_code",))
    assert done.code == 1
    assert "a.ndjson: --column code=error_code: no record has this key" in done.errors


def test_records_with_a_key_near_code_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    record = {**event(0.0), "errorCode": 4001}
    del record["code"]
    path.write_text(json.dumps(record) + "\n")
    assert "without `code`, counted as normal ends, but with 'errorCode': 1; " in (
        run([path]).errors
    )


def test_cloudevents_are_distinguished_by_source_and_id(tmp_path: Path) -> None:
    data = {"system": "streampixel", "code": 4001}
    envelope = {"specversion": "1.0", "id": "1", "type": "t", "time": event(0.0)["occurred_at"]}
    sources = ("/a", "/b", "/a")
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{**envelope, "source": name, "data": data} for name in sources]))
    done = run([path])
    assert "2 ends" in done.text
    assert "1 skipped: duplicates of earlier events" in " ".join(done.text.split())
