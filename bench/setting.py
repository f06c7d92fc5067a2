"""What all scenarios share: the folder, the tools, how long and how often to measure, a certificate."""

import subprocess


class Setting:
    """One run's choices. `folder` vanishes at the end of the run."""

    def __init__(self, folder, tools, chosen):
        self.folder, self.tools, self.quick, self.millions = folder, tools, chosen.quick, chosen.millions
        self.rounds = chosen.rounds or (1 if chosen.quick else 5)
        self.seconds = chosen.seconds or (1 if chosen.quick else 4)
        self.peers = [name for name in chosen.peers.split(",") if name]
        #: HAProxy's median of requests/s, once h1 has measured it: p99 takes half of it as its rate.
        self.haproxy_maximum = None
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self._certify()
        self._count = 0

    def room(self, name):
        """A folder of its own for a process."""
        self._count += 1
        room = self.folder / f"{self._count}-{name}"
        room.mkdir()
        return room

    def having(self, names):
        """Those of the programs that this machine has."""
        return [name for name in names if name in self.tools.programs]

    def _certify(self):
        command = [self.tools.programs["openssl"], "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        subprocess.run([*command, "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        # HAProxy wants both in one file.
        (self.folder / "both.pem").write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
