"""What the scripts share: building bench/rates.rs and running it."""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def build():
    """Builds the benchmark program as `cargo bench` does; its path."""
    command = ["cargo", "bench", "--locked", "--no-run", "--bench", "rates",
               "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit("rates: " + " ".join(command) + " failed")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "rates":
            return message["executable"]
    sys.exit("rates: cargo has not said where it is")


def run(program, *arguments):
    """What the program says of one range: numbers, runs, seconds, sum, perfect."""
    command = [program, *map(str, arguments)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
