"""A client of a draw server as one writes it in five minutes: one connection, one number at a time, no line ends.

client.py PORT

It reads lines `draw N` from standard input, says each N times as it is, and prints what each read brings.
"""

import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
    for line in sys.stdin:
        message = line.strip()
        for _ in range(int(message.split()[1])):
            server.sendall(message.encode())
            print(server.recv(2048).decode())
