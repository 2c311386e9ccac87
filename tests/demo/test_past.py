"""The history that the demo writes as OpenMetrics before the exporter starts."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from deploy.demo.past import SUM_LABELS, openmetrics
from exporter import names


def test_past_counts_up_evenly_and_ends_now_with_the_count() -> None:
    """Samples of the recording rules have only the labels that the rules keep."""
    labels = dict.fromkeys((*SUM_LABELS, "phase", "job"), "x")
    lines = openmetrics([(labels, 7)], steps=2, interval=5, now=1000)
    samples = [
        (sample.name, float(sample.timestamp), sample.value, sample.labels)
        for family in text_string_to_metric_families("".join(lines))
        for sample in family.samples
    ]
    kept = dict.fromkeys(SUM_LABELS, "x")
    assert samples == [
        (name, at, value, own)
        for name, own in (
            (names.SESSION_ENDS, labels),
            (names.RULE_SUM, kept),
            (names.RULE_SUM_SNAPSHOT, kept),
        )
        for at, value in ((990, 0), (995, 3), (1000, 7))
    ]


def test_past_has_the_words_at_every_step_and_their_record() -> None:
    """The text contains quotes and a backslash, as texts of a taxonomy may."""
    labels = {"system": "s", "code": "1", "causes": 'A "hung" agent\\disk'}
    info = [(names.SESSION_END_CODE_HELP, labels, 1.0)]
    text = "".join(openmetrics([], steps=1, interval=5, now=1000, info=info))
    (family,) = (
        family
        for family in text_string_to_metric_families(text)
        if family.name == names.SESSION_END_CODE_HELP
    )
    shown = [(sample.labels, sample.value, float(sample.timestamp)) for sample in family.samples]
    assert shown == [(labels, 1, 995), (labels, 1, 1000)]
