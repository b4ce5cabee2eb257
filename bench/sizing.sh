#!/bin/sh
# How long ranges really take, against --seconds, and how computes end together. Usage, after make build, on an idle host:
#     bench/sizing.sh [SECONDS [DURATION]]
# Markdown tables: for each method and place, with one compute a core, the ranges after each compute's first; what
# follows when a busy loop takes half of a core; who idles at the end of a bounded search; what make run loses.
set -eu
cd "$(dirname "$0")/.."
exec python3 - "${1:-3}" "${2:-25}" "${CARGO_TARGET_DIR:-target}/release" <<'PY'
import datetime, os, re, signal, sqlite3, statistics, subprocess, sys, tempfile, time

seconds, duration, programs = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
cores = sorted(os.sched_getaffinity(0))
scratch = tempfile.TemporaryDirectory(prefix="aliquot-sizing-")
LISTENING = re.compile(r"listening on (\S+)")
DONE = re.compile(r"^(\w+ +\d+ [\d:.]+) .*: (\d+) to (\d+) is done by")


class Range:
    """A range: its compute's pid, how long it took, and when it began and was done, in seconds since 1970."""
    def __init__(self, pid, took, done):
        self.pid, self.took, self.began, self.done = pid, took, done - took, done


class Run:
    """A search with one compute pinned to each core, at this script's own priority."""

    def __init__(self, method, first, last=None):
        self.ledger, self.log = (f"{scratch.name}/{method}-{time.time_ns()}.{kind}" for kind in ("db", "log"))
        options = ["--method", method, "--first", first, "--seconds", seconds, *(["--last", last] if last else [])]
        self.began, self.hog = time.time(), None
        self.manage = self.start(["manage", "-v", "--listen", "127.0.0.1:0", "--ledger", self.ledger, *options])
        while not (found := LISTENING.search(open(self.log).read())):
            time.sleep(0.01)
        self.computes = [self.start(["compute", "--quiet", "--nice", "0", found[1]], core) for core in cores]

    def start(self, command, core=None):
        command = [f"{programs}/{command[0]}", *map(str, command[1:])]
        pin = None if core is None else lambda: os.sched_setaffinity(0, [core])
        return subprocess.Popen(command, preexec_fn=pin, stdout=subprocess.DEVNULL, stderr=open(self.log, "a"))

    def slow_down(self):
        """Takes half of the first core from its compute; gives when."""
        pin = lambda: os.sched_setaffinity(0, [cores[0]])
        self.hog = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=pin)
        return time.time()

    def wait(self, at_most=None):
        """Waits for the end of the search, or ends it."""
        try:
            self.manage.wait(at_most)
        except subprocess.TimeoutExpired:
            self.manage.send_signal(signal.SIGINT)
        for process in [self.manage, *self.computes]:
            process.wait()
        self.took = time.time() - self.began

    def end(self):
        """Ends whatever still runs, however far this script has come."""
        for process in [self.hog, *self.computes, self.manage]:
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def ranges(self):
        """The ranges of each compute, in order; that of the first core first."""
        done = {}
        for line in open(self.log):
            if match := DONE.search(line):
                at = datetime.datetime.strptime(f"{time.localtime().tm_year} {match[1]}", "%Y %b %d %H:%M:%S.%f")
                done[int(match[2]), int(match[3])] = at.timestamp()
        query = "SELECT pid, first, last, nanoseconds FROM range JOIN compute ON compute = compute.rowid"
        rows = sqlite3.connect(self.ledger).execute(query)
        ranges = sorted((Range(pid, took / 1e9, done[first, last]) for pid, first, last, took in rows), key=lambda r: r.done)
        return [[r for r in ranges if r.pid == compute.pid] for compute in self.computes]


def percent(ratio):
    return f"{100 * (ratio - 1):+.0f} %"


def measured(run, scene):
    """Plays `scene` on `run`; nothing of it is left, whatever happens."""
    try:
        return scene(run)
    finally:
        run.end()


def places(run):
    run.wait(duration)
    computes = run.ranges()
    # The last range of each was cut short by the end of the measurement.
    later = [r.took for ranges in computes for r in ranges[1:-1]]
    near = sum(abs(took / seconds - 1) <= 0.1 for took in later)
    firsts = [ranges[0].took / seconds for ranges in computes if len(ranges) > 1]
    worst = percent(max(firsts, key=lambda ratio: abs(ratio - 1))) if firsts else "-"
    share = f"{100 * near / len(later):.0f} %" if later else "-"
    return f"{len(later)} | {statistics.median(later or [0]):.2f} | {share} | {worst} |"


def slowdown(run):
    time.sleep(3.5 * seconds)
    at = run.slow_down()
    run.wait(9 * seconds)
    after = [r.took / seconds for r in run.ranges()[0] if r.began >= at][:3]
    return " | ".join([percent(ratio) for ratio in after] + ["-"] * (3 - len(after))) + " |"


def tail(run, slowed):
    if slowed:
        time.sleep(0.7 * duration)
        run.slow_down()
    run.wait()
    ends = [max((r.done for r in ranges), default=run.began) for ranges in run.ranges()]
    idle = [max(ends) - end for end in ends]
    return f"{run.took:.1f} | {max(idle):.2f} | {' '.join(f'{it:.2f}' for it in idle)} |"


def rate(run):
    """Candidates a second from `first` on: how far a bounded search gets in some time."""
    run.wait(duration / 2)
    ((tested,),) = sqlite3.connect(run.ledger).execute("SELECT sum(last - first + 1) FROM range")
    return tested / run.took


def first_command():
    ledger, began = f"{scratch.name}/first.db", time.time()
    command = [f"{programs}/manage", *f"--last 40000000 --computes 2 --listen 127.0.0.1:0 --ledger {ledger}".split()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took = time.time() - began
    ((kernel,),) = sqlite3.connect(ledger).execute("SELECT sum(nanoseconds) / 2e9 FROM range")
    return f"{took:.2f} | {kernel:.2f} | {took / kernel:.2f} |"


PLACES = [(method, 10**exponent) for method in ("trial", "sieve") for exponent in (6, 9, 12)]
print(f"`bench/sizing.sh {seconds:g} {duration:g}`, {len(cores)} cores.\n")
print("| method | first number | later ranges | median, s | within 10 % | worst first |\n|---|---|---|---|---|---|")
for method, first in PLACES:
    print(f"| {method} | {first:,} | {measured(Run(method, first), places)}", flush=True)
print("\n| a core at half speed: method | first number | 1st range after | 2nd | 3rd |\n|---|---|---|---|---|")
for method, first in PLACES:
    print(f"| {method} | {first:,} | {measured(Run(method, first), slowdown)}", flush=True)
print("\n| the end: method | a core slowed | took, s | longest idle, s | of each |\n|---|---|---|---|---|")
for method in ("trial", "sieve"):
    last = 10**9 + int(measured(Run(method, 10**9), rate) * duration)
    for slowed in ("no", "yes"):
        scene = lambda run: tail(run, slowed == "yes")
        print(f"| {method} | {slowed} | {measured(Run(method, 10**9, last), scene)}", flush=True)
print(f"\n| make run, with a ledger: took, s | its ranges over 2, s | ratio |\n|---|---|---|\n| {first_command()}")
PY
