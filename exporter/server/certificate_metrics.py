"""Metrics of the listeners' certificates."""

from collections.abc import Iterable, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from exporter import names
from exporter.server.certificates import Certificate


class CertificateCollector(Collector):
    """Exports expiry and reload state of certificates; None is a listener without TLS."""

    def __init__(self, certificates: Sequence[Certificate | None]) -> None:
        self._certificates = [certificate for certificate in certificates if certificate]

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
        return expiry, reloaded
