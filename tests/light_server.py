"""What hubs of the tests start as a user's server: answers every request, and says in a file how to end it.

The answer, also the first message of a websocket, is which protocol it was told that the browser speaks.
"""

import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler


class Answer(RequestHandler):
    """Says what the browser speaks."""

    def get(self) -> None:
        """Answer."""
        self.write(self.request.headers.get("X-Forwarded-Proto", ""))


class Echo(WebSocketHandler):
    """Says what the browser speaks, and then what it was told."""

    def open(self, *_: str) -> None:
        """Say the first message."""
        self.write_message(self.request.headers.get("X-Forwarded-Proto", ""))

    def on_message(self, message: str | bytes) -> None:
        """Say it again."""
        self.write_message(message)


async def main() -> None:
    """Answer until the end."""
    place = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    Application([(".*/echo", Echo), (".*", Answer)]).listen(int(place.port or 0), str(place.hostname))
    await asyncio.Event().wait()


if __name__ == "__main__":
    Path("pid").write_text(str(os.getpid()), encoding="utf-8")
    asyncio.run(main())
