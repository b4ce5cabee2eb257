"""A proof-of-work server as one writes it in a quarter of an hour: Python, a thread for each connection, hashlib.

threading_server.py [DIFFICULTY]

It says its port on standard output, and answers each line MESSAGE with MESSAGE,SEED,HASH until it is ended. What pow
serve is measured against; also where the difficulty is asked for: NUL "pow" SP DIGIT SP MESSAGE.
"""

import hashlib
import random
import socketserver
import string
import sys

ALPHABET = string.ascii_letters + string.digits


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        chance = random.Random()
        try:
            for line in self.rfile:
                self.answer(line.rstrip(b"\r\n"), chance)
        except ConnectionError:
            pass  # A client that has had enough.

    def answer(self, message, chance):
        zeros = self.server.zeros
        if message.startswith(b"\0pow "):
            zeros, message = "0" * int(message[5:6]), message[7:]
        while True:
            seed = "".join(chance.choices(ALPHABET, k=5)).encode()
            digits = hashlib.sha256(seed + message).hexdigest()
            if digits.startswith(zeros):
                break
        self.wfile.write(b"%s,%s,%s\n" % (message, seed, digits.encode()))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    zeros = "0" * int(sys.argv[1] if len(sys.argv) > 1 else 0)


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
