"""The history that the demo writes as OpenMetrics before Prometheus starts."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from deploy.demo.past import JOB, SUM_LABELS, openmetrics, stored
from exporter import names


def past(sample: Sample, steps: int) -> list[tuple[str, float, float, dict[str, str]]]:
    """Name, time, value and labels of each sample in the past of a scraped sample, until the time 1000."""
    text = "".join(openmetrics(stored([sample], "a:1"), steps, interval=5, now=1000))
    return [
        (sample.name, float(sample.timestamp), sample.value, sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def test_past_counts_up_evenly_and_ends_now_with_the_count() -> None:
    """Samples of the recording rules have only the labels that the rules keep."""
    target = {"job": JOB, "instance": "a:1"}
    scraped = dict.fromkeys((*SUM_LABELS, "phase"), "x")
    kept = dict.fromkeys(SUM_LABELS, "x") | {"instance": "a:1"}
    assert sorted(past(Sample(names.SESSION_ENDS, scraped, 7), steps=2)) == sorted(
        (name, at, value, labels)
        for name, labels in (
            (names.SESSION_ENDS, scraped | target),
            (names.RULE_SUM, kept),
            (names.RULE_SUM_SNAPSHOT, kept),
        )
        for at, value in ((990, 0), (995, 3), (1000, 7))
    )


def test_past_has_the_words_at_every_step_and_their_record() -> None:
    """The text contains quotes and a backslash, as texts of a taxonomy may."""
    labels = {"system": "s", "code": "1", "causes": 'A "hung" agent\\disk'}
    shown = past(Sample(names.SESSION_END_CODE_HELP, labels, 1), steps=1)
    scraped = labels | {"job": JOB, "instance": "a:1"}
    assert shown == [
        (name, at, 1, text)
        for name, text in ((names.SESSION_END_CODE_HELP, scraped), (names.RULE_CODE_HELP, labels))
        for at in (995, 1000)
    ]
