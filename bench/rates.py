"""What the scripts share: building a benchmark and running it."""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def build(name="rates"):
    """Builds a benchmark program as `cargo bench` does; its path."""
    command = ["cargo", "bench", "--locked", "--no-run", "--bench", name,
               "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name}: " + " ".join(command) + " failed")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == name:
            return message["executable"]
    sys.exit(f"{name}: cargo has not said where it is")


def run(program, *arguments):
    """The object that the program prints: of one range, numbers, runs, seconds, sum, perfect."""
    command = [program, *map(str, arguments)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
