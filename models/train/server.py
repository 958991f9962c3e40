"""A server of the real binary over one model folder, for measuring through HTTP."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


class Server:
    """Serves a model folder in place of the embedded one of its name. Use as a context manager.

    binary: bin/grym-synth. folder: models/NAME or any other whose last part is NAME
    when name is not given.
    """

    def __init__(self, binary, folder, name):
        self.dir = tempfile.mkdtemp(prefix="grym-measure-")
        models = os.path.join(self.dir, "models")
        os.makedirs(models)
        shutil.copytree(folder, os.path.join(models, name))
        config = os.path.join(self.dir, "config.yaml")
        with open(config, "w", encoding="utf8") as f:
            f.write("models:\n  dir: %s\n" % models)
        self.log = open(os.path.join(self.dir, "log"), "w+", encoding="utf8")
        self.process = subprocess.Popen([binary, "--config", config, "--listen", "127.0.0.1:0", "--data-dir", os.path.join(self.dir, "data")],
                                        stdout=self.log, stderr=self.log)

    def __enter__(self):
        end = time.time() + 120
        while time.time() < end and self.process.poll() is None:
            self.log.seek(0)
            for line in self.log.read().splitlines():
                if "127.0.0.1:" in line:
                    port = line.split("127.0.0.1:")[1].split('"')[0].split()[0].split("/")[0]
                    if port.isdigit() and port != "0":
                        self.url = "http://127.0.0.1:" + port
                        return self
            time.sleep(.2)
        self.__exit__()
        raise RuntimeError("the server did not start; see " + self.log.name)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def post(self, path, body, kind="application/json", accept="application/json"):
        """The answer's bytes. body: a dict is sent as JSON."""
        return self.post_for(path, body, kind, accept)[0]

    def post_for(self, path, body, kind="application/json", accept="application/json"):
        """The answer's bytes and headers."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind, "Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as e:
            raise RuntimeError("%s: %s" % (e, e.read().decode(errors="replace"))) from e
