"""A Label Studio of one project that keeps what it is brought, and when: for more tasks than a real one takes in a test."""

import collections
import email.parser
import email.policy
import http.server
import json
import threading
import time
import urllib.parse

TOKEN = "0123456789abcdef0123456789abcdef01234567"

# An import: when it was asked for and answered, in monotonic seconds.
Import = collections.namedtuple("Import", "asked answered tasks")


class FakeServer:
    """It answers as the server does that the client was written for; ``ids`` are those of all tasks that are there, and
    ``began`` has when each upload did."""

    def __init__(self, config, seconds=0.1):
        self.config, self.seconds = config, seconds
        self.uploads, self.ids, self.imports, self.began = [], [], [], []
        self.lock = threading.Lock()
        answer = type("Answer", (Answer,), {"fake": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def upload(self, headers, body):
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        (file,) = form.iter_parts()
        content = file.get_payload(decode=True)
        ids = [task["data"]["id"] for task in json.loads(content)]
        with self.lock:
            self.uploads.append({"name": file.get_filename(), "size": len(content), "ids": ids, "committed": False})
            return 201, {"task_count": len(ids), "file_upload_ids": [len(self.uploads)]}

    def commit(self, asked):
        began = time.monotonic()
        time.sleep(self.seconds)
        count = 0
        with self.lock:
            for number in json.loads(asked)["file_upload_ids"]:
                upload = self.uploads[number - 1]
                count += len(upload["ids"])
                # The server makes the tasks anew each time it is asked.
                self.ids += upload["ids"]
                upload["committed"] = True
            self.imports.append(Import(began, time.monotonic(), count))
        return 200, {"task_count": count, "annotation_count": 0, "prediction_count": 0}

    def answer(self, began, method, path, query, headers, body):
        if (method, path) == ("POST", "/api/projects/1/import"):
            self.began.append(began)
            return self.upload(headers, body)
        if (method, path) == ("POST", "/api/projects/1/reimport"):
            return self.commit(body)
        with self.lock:
            if path == "/api/version":
                return 200, {"release": "1.23.2"}
            if path == "/api/users":
                return 200, []
            if path == "/api/projects/1":
                project = {"id": 1, "title": "all", "label_config": self.config, "is_draft": False, "task_number": len(self.ids)}
                return 200, {**project, "total_annotations_number": 0, "total_predictions_number": 0}
            if path == "/api/projects/1/file-uploads":
                listed = enumerate(self.uploads, 1)
                return 200, [{"id": n, "file": f"upload/1/00000000-{one['name']}", "size": one["size"]} for n, one in listed]
            if path == "/api/tasks":
                asked = json.loads(query["query"][0])["filters"]["items"][0]["value"]
                upload = self.uploads[asked - 1] if 0 < asked <= len(self.uploads) else None
                total = len(upload["ids"]) if upload and upload["committed"] else 0
                return 200, {"total": total, "total_annotations": 0, "total_predictions": 0, "tasks": []}
        return 404, {"detail": "Not found."}


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeServer

    def handle_one(self):
        began = time.monotonic()
        address = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, query = address.path.rstrip("/"), urllib.parse.parse_qs(address.query)
        status, value = self.fake.answer(began, self.command, path, query, self.headers, body)
        answer = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            # Whoever asked was killed.
            self.close_connection = True

    do_GET = do_POST = handle_one

    def log_message(self, *_):
        pass
