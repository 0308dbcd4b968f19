"""What the hub starts as a user's server: answers every request with 200, and says in a file how to end it."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class Answer(BaseHTTPRequestHandler):
    """Says nothing but that it is there."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    Path("pid").write_text(str(os.getpid()), encoding="utf-8")
    place = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    HTTPServer((str(place.hostname), int(place.port or 0)), Answer).serve_forever()
