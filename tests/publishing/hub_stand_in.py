"""A stand-in for the Hugging Face hub's HTTP API, on the loopback.

It speaks the calls that huggingface_hub makes for creating, uploading, listing and downloading
datasets (without xet), computes every hash itself, refuses what doesn't match, notes what it
gets, and can be reported to fail.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_only_for_tests_0123456789"
LARGE = (".parquet", ".jpg", ".png", ".tar")


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Repo:
    """A repository: branches of files; `lfs` says which files are large."""

    private: bool = False
    gated: object = False
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    commits: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def files(self, revision: str) -> dict[str, bytes]:
        for name in (revision, unquote(revision)):
            for position in (self.branches, self.tags):
                if name in position:
                    return position[name]
            if name == self.sha():
                return self.branches["main"]
        raise KeyError(revision)

    def sha(self) -> str:
        state = json.dumps({n: git_sha1(d) for n, d in sorted(self.branches["main"].items())})
        return hashlib.sha1(state.encode()).hexdigest()


Fault = Callable[[str, str], int | str | None]
"""Takes method and path of a request; gives a status to answer, `cut`, `spoil`, or None."""


class Hub:
    """The server; use it as a context manager."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.put: Counter[str] = Counter()
        self.unknown: list[str] = []
        self.fault: Fault = lambda method, path: None
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Hub:
        # Looks often whether to shut down: each test waits for it.
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def fail(self, method: str, pattern: str, how: int | str, times: int = 1) -> None:
        """Answer so many requests of a kind with a status, a cut connection, or spoilt bytes."""
        left = [times]

        def fault(asked: str, path: str) -> int | str | None:
            if asked == method and re.search(pattern, path) and left[0] > 0:
                left[0] -= 1
                return how
            return None

        self.fault = fault


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer is one packet: two would wait for each other
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            return

        # Answers

        def answer(
            self, status: int, body: bytes | dict[str, Any] | list[Any] = b"", **headers: str
        ) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            if not isinstance(body, bytes):
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def refuse(self, status: int, code: str, message: str) -> None:
            self.answer(status, {"error": message}, X_Error_Code=code, X_Error_Message=message)

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                data = b""
                while size := int(self.rfile.readline().strip() or b"0", 16):
                    data += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return data
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        # Requests

        def handle_request(self) -> None:
            path = urlsplit(self.path).path
            with hub.lock:
                hub.requests.append((self.command, path))
                how = hub.fault(self.command, path)
            data = self.body()
            if how == "cut":
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(2)
                return
            if isinstance(how, int):
                self.answer(how, {"error": f"reported to answer {how}"})
                return
            if how == "spoil":
                data = data[:-1] + bytes([data[-1] ^ 1])
            with hub.lock:
                self.route(path, data, spoilt=how == "spoil")

        do_GET = do_POST = do_PUT = do_HEAD = handle_request  # noqa: N815 - http.server's names

        def authorised(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {TOKEN}"

        def route(self, path: str, data: bytes, *, spoilt: bool) -> None:
            writes = self.command in ("POST", "PUT") and not path.startswith("/blobs/")
            reading = path.endswith(("paths-info", "validate-yaml")) or "/paths-info/" in path
            if writes and not reading and not self.authorised():
                self.refuse(401, "Unauthorized", "Invalid username or password.")
                return
            for pattern, name in ROUTES:
                match = re.fullmatch(pattern, path)
                if match and name.startswith(self.command.replace("HEAD", "GET").lower()):
                    getattr(self, name)(
                        data, *match.groups(), **({"spoilt": True} if spoilt else {})
                    )
                    return
            hub.unknown.append(f"{self.command} {path}")
            self.refuse(404, "EntryNotFound", "no such call")

        def repo(self, name: str) -> Repo | None:
            found = hub.repos.get(name)
            if found is None or (found.private and not self.authorised()):
                self.refuse(
                    404 if self.authorised() else 401, "RepoNotFound", "Repository not found"
                )
                return None
            return found

        def files(self, name: str, revision: str) -> dict[str, bytes] | None:
            repo = self.repo(name)
            if repo is None:
                return None
            try:
                return repo.files(revision)
            except KeyError:
                self.refuse(404, "RevisionNotFound", "Invalid rev id")
                return None

        def post_create(self, data: bytes) -> None:
            asked = json.loads(data)
            name = f"{asked['organization']}/{asked['name']}"
            if asked.get("type") != "dataset":
                self.refuse(400, "BadRequest", "not a dataset")
                return
            if name in hub.repos:
                there = {"error": "You already created this dataset repo"}
                self.answer(409, {**there, "url": f"{hub.url}/datasets/{name}"})
                return
            private = bool(asked.get("private")) or asked.get("visibility") == "private"
            hub.repos[name] = Repo(private=private)
            hub.repos[name].branches["main"][".gitattributes"] = b"*.parquet filter=lfs\n"
            self.answer(200, {"url": f"{hub.url}/datasets/{name}", "name": name})

        def post_yaml(self, data: bytes) -> None:
            content = json.loads(data)["content"]
            fine = content.startswith("---\n") and "\n---\n" in content
            errors = [] if fine else [{"message": "no metadata"}]
            self.answer(200 if fine else 400, {"errors": errors, "warnings": []})

        def post_preupload(self, data: bytes, name: str, revision: str) -> None:
            files = self.files(name, revision)
            if files is None:
                return
            modes = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                    "oid": git_sha1(files[one["path"]]) if one["path"] in files else None,
                }
                for one in json.loads(data)["files"]
            ]
            self.answer(200, {"files": modes})

        def post_batch(self, data: bytes, name: str) -> None:
            objects = []
            for one in json.loads(data)["objects"]:
                row: dict[str, Any] = {"oid": one["oid"], "size": one["size"]}
                if one["oid"] not in hub.blobs:
                    href = f"{hub.url}/blobs/{one['oid']}"
                    row["actions"] = {
                        "upload": {"href": href, "header": {}},
                        "verify": {"href": f"{hub.url}/verify/{name}"},
                    }
                objects.append(row)
            self.answer(200, {"transfer": "basic", "objects": objects})

        def put_blob(self, data: bytes, oid: str, *, spoilt: bool = False) -> None:
            hub.put[oid] += 1
            # What arrives spoilt is kept as it came: only who reads it back can know.
            if not spoilt and hashlib.sha256(data).hexdigest() != oid:
                self.refuse(400, "BadDigest", "the content isn't what its name says")
                return
            hub.blobs[oid] = data
            self.answer(200, b"")

        def post_verify(self, data: bytes, name: str) -> None:
            asked = json.loads(data)
            held = hub.blobs.get(asked["oid"])
            fine = held is not None and len(held) == asked["size"]
            self.answer(200 if fine else 404, {})

        def post_commit(self, data: bytes, name: str, revision: str) -> None:
            repo = self.repo(name)
            if repo is None:
                return
            branch = repo.branches.get(unquote(revision))
            if branch is None:
                self.refuse(404, "RevisionNotFound", "Invalid rev id")
                return
            rows = [json.loads(line) for line in data.splitlines() if line.strip()]
            new = dict(branch)
            for row in rows:
                value = row["value"]
                if row["key"] == "file":
                    new[value["path"]] = base64.b64decode(value["content"])
                elif row["key"] == "lfsFile":
                    if value["oid"] not in hub.blobs:
                        self.refuse(400, "BadRequest", f"no such blob: {value['oid']}")
                        return
                    new[value["path"]] = hub.blobs[value["oid"]]
                elif row["key"] == "deletedFile":
                    new.pop(value["path"], None)
            branch.clear()
            branch.update(new)
            repo.commits.append({"rows": rows, "branch": unquote(revision)})
            oid = hashlib.sha1(data).hexdigest()
            self.answer(
                200,
                {
                    "commitUrl": f"{hub.url}/datasets/{name}/commit/{oid}",
                    "commitOid": oid,
                    "hookOutput": "",
                },
            )

        def post_tag(self, data: bytes, name: str, revision: str) -> None:
            files = self.files(name, revision)
            if files is None:
                return
            hub.repos[name].tags[json.loads(data)["tag"]] = dict(files)
            self.answer(200, {})

        def post_branch(self, data: bytes, name: str, branch: str) -> None:
            repo = self.repo(name)
            if repo is None:
                return
            if unquote(branch) in repo.branches:
                self.refuse(409, "Conflict", "branch exists")
                return
            repo.branches[unquote(branch)] = dict(repo.branches["main"])
            self.answer(200, {})

        def put_settings(self, data: bytes, name: str) -> None:
            repo = self.repo(name)
            if repo is not None:
                repo.gated = json.loads(data).get("gated", repo.gated)
                self.answer(200, {})

        def about(self, path: str, data: bytes) -> dict[str, Any]:
            row: dict[str, Any] = {
                "type": "file",
                "path": path,
                "size": len(data),
                "oid": git_sha1(data),
            }
            if path.endswith(LARGE):
                sha256 = hashlib.sha256(data).hexdigest()
                row["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": 134}
            return row

        def get_tree(self, data: bytes, name: str, revision: str, below: str | None = None) -> None:
            files = self.files(name, revision)
            if files is None:
                return
            prefix = unquote(below or "").strip("/")
            recursive = parse_qs(urlsplit(self.path).query).get("recursive", [""])[0].lower()
            rows: list[dict[str, Any]] = []
            folders: set[str] = set()
            for path, content in sorted(files.items()):
                if prefix and not path.startswith(prefix + "/"):
                    continue
                rest = path[len(prefix) + 1 if prefix else 0 :]
                parts = rest.split("/")
                if recursive == "true" or len(parts) == 1:
                    rows.append(self.about(path, content))
                folders.update(
                    f"{prefix}/".lstrip("/") + "/".join(parts[: depth + 1])
                    for depth in range(len(parts) - 1)
                    if recursive == "true" or depth == 0
                )
            if prefix and not rows and not folders:
                self.refuse(404, "EntryNotFound", f"{prefix} does not exist")
                return
            rows += [
                {
                    "type": "directory",
                    "path": one,
                    "oid": hashlib.sha1(one.encode()).hexdigest(),
                    "size": 0,
                }
                for one in sorted(folders)
            ]
            self.answer(200, rows)

        def post_paths(self, data: bytes, name: str, revision: str) -> None:
            files = self.files(name, revision)
            if files is None:
                return
            text = data.decode()
            asked = json.loads(text) if text.startswith("{") else parse_qs(text)
            rows: list[dict[str, Any]] = []
            for path in asked["paths"]:
                if path in files:
                    rows.append(self.about(path, files[path]))
                elif any(one.startswith(path.rstrip("/") + "/") for one in files):
                    oid = hashlib.sha1(path.encode()).hexdigest()
                    rows.append({"type": "directory", "path": path, "oid": oid, "size": 0})
            self.answer(200, rows)

        def get_info(self, data: bytes, name: str, revision: str = "main") -> None:
            files = self.files(name, revision)
            if files is None:
                return
            repo = hub.repos[name]
            self.answer(
                200,
                {
                    "id": name,
                    "sha": repo.sha(),
                    "private": repo.private,
                    "gated": repo.gated,
                    "disabled": False,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                    "siblings": [{"rfilename": one} for one in sorted(files)],
                    "createdAt": "2026-01-01T00:00:00.000Z",
                    "lastModified": "2026-01-01T00:00:00.000Z",
                },
            )

        def get_resolve(self, data: bytes, name: str, revision: str, path: str) -> None:
            files = self.files(name, revision)
            if files is None:
                return
            content = files.get(unquote(path))
            if content is None:
                self.refuse(404, "EntryNotFound", "Entry not found")
                return
            about = self.about(unquote(path), content)
            etag = about["lfs"]["oid"] if "lfs" in about else about["oid"]
            headers = {"ETag": f'"{etag}"', "X_Repo_Commit": hub.repos[name].sha()}
            headers["Accept_Ranges"] = "bytes"
            span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if span and self.command == "GET":
                first = int(span.group(1))
                last = int(span.group(2)) if span.group(2) else len(content) - 1
                last = min(last, len(content) - 1)
                headers["Content_Range"] = f"bytes {first}-{last}/{len(content)}"
                self.answer(206, content[first : last + 1], **headers)
                return
            self.answer(200, content, **headers)

    return Handler


_R = r"([^/]+/[^/]+?)"
ROUTES = (
    (r"/api/repos/create", "post_create"),
    (r"/api/validate-yaml", "post_yaml"),
    (rf"/api/datasets/{_R}/preupload/([^/]+)", "post_preupload"),
    (rf"/datasets/{_R}\.git/info/lfs/objects/batch", "post_batch"),
    (r"/blobs/([0-9a-f]{64})", "put_blob"),
    (rf"/verify/{_R}", "post_verify"),
    (rf"/api/datasets/{_R}/commit/([^/]+)", "post_commit"),
    (rf"/api/datasets/{_R}/tag/([^/]+)", "post_tag"),
    (rf"/api/datasets/{_R}/branch/([^/]+)", "post_branch"),
    (rf"/api/datasets/{_R}/settings", "put_settings"),
    (rf"/api/datasets/{_R}/tree/([^/]+)(/.*)?", "get_tree"),
    (rf"/api/datasets/{_R}/paths-info/([^/]+)", "post_paths"),
    (rf"/api/datasets/{_R}/revision/([^/]+)", "get_info"),
    (r"/api/datasets/([^/]+/[^/]+)", "get_info"),
    (rf"/datasets/{_R}/resolve/([^/]+)/(.+)", "get_resolve"),
)
