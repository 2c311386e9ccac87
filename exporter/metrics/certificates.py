"""The listeners' certificates as gauges: when they expire, and whether their files can be loaded."""

from collections.abc import Iterable, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.server.certificates import Certificate


class CertificateCollector(Collector):
    """A prometheus-client collector; None stands for a listener without TLS, which has no sample."""

    def __init__(self, certificates: Sequence[Certificate | None]) -> None:
        self._certificates = [
            certificate for certificate in certificates if certificate is not None
        ]

    def collect(self) -> Iterable[Metric]:
        expiry = GaugeMetricFamily(
            names.CERTIFICATE_EXPIRY,
            "When the certificate that a listener serves expires, Unix time.",
            labels=(names.LISTENER,),
        )
        reloaded = GaugeMetricFamily(
            names.CERTIFICATE_RELOADED,
            "1 when the files of a listener's certificate are served, 0 when they can't be loaded.",
            labels=(names.LISTENER,),
        )
        for certificate in self._certificates:
            expiry.add_metric((certificate.name,), certificate.expires)
            reloaded.add_metric((certificate.name,), float(not certificate.mistake))
        yield expiry
        yield reloaded
