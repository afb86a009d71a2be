"""Serves a folder as a read-only S3 bucket: `python -m benchmarks.bucket FOLDER` prints the address.

It supports ListObjectsV2 and GetObject, and checks no signatures. It does as little as possible for each object, so
that the benchmark measures the client.
"""

from __future__ import annotations

import asyncio
import sys
from bisect import bisect_right
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000


class Bucket:
    """The files of a folder as objects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes = {
            str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()
        }
        self._keys = sorted(self._sizes)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Responds to the requests of one connection."""
        try:
            while line := await reader.readline():
                while await reader.readline() not in (b"\r\n", b""):
                    pass
                url = urlsplit(line.split()[1].decode())
                key = unquote(url.path).lstrip("/").partition("/")[2]
                if key in self._sizes:
                    status, body = "200 OK", (self._folder / key).read_bytes()
                elif "list-type=2" in url.query:
                    status, body = "200 OK", self._listed(parse_qs(url.query)).encode()
                elif line.startswith(b"HEAD"):
                    status, body = "200 OK", b""
                else:
                    status, body = "404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>"
                head = (
                    f'HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nETag: "1"\r\n'
                    "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _listed(self, query: dict[str, list[str]]) -> str:
        prefix, delimiter = (query.get(name, [""])[0] for name in ("prefix", "delimiter"))
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        found = [key for key in self._keys[bisect_right(self._keys, after) :] if key.startswith(prefix)]
        if delimiter:
            folders = sorted({prefix + key.removeprefix(prefix).partition(delimiter)[0] for key in found})
            inner = "".join(
                f"<CommonPrefixes><Prefix>{escape(one)}/</Prefix></CommonPrefixes>" for one in folders
            )
        else:
            inner = "".join(
                f"<Contents><Key>{escape(key)}</Key><Size>{self._sizes[key]}</Size></Contents>"
                for key in found[:PAGE]
            )
        more = not delimiter and len(found) > PAGE
        token = f"<NextContinuationToken>{escape(found[PAGE - 1])}</NextContinuationToken>" if more else ""
        truncated = str(more).lower()
        return f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{token}{inner}</ListBucketResult>"


async def main(folder: Path) -> None:
    """Serves until the process is killed."""
    server = await asyncio.start_server(Bucket(folder).serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
