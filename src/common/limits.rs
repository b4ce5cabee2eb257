//! Every bound and timeout of the project, its unit in the name, its reason beside it. Those of what is watched are in `watch`.

mod watch;

pub use watch::*;

// --- XML and lines -----------------------------------------------------------------------------------------------

/// Longest line of the protocol, its LF included. A status line with every attribute at its longest, every character
/// escaped, is under 8 KiB; 64 KiB is what both ends can always afford to buffer.
pub const LINE_MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting of elements. The protocol uses two levels; a reader that knows a bound needs no growing stack.
pub const XML_DEPTH_MAX: usize = 32;
/// Most attributes of one element. The richest message has under 24; duplicates are searched among at most this many.
pub const XML_ATTRIBUTES_MAX: usize = 64;

// --- Numbers -----------------------------------------------------------------------------------------------------

/// Largest candidate: the largest integer that the ledger (SQLite, signed 64 bit) can hold.
pub const CANDIDATE_MAX: u64 = i64::MAX as u64;
/// Most hits that one result may carry. There are eight perfect numbers below 2^63.
pub const HITS_MAX: usize = 16;
/// Longest host name that is taken from a compute: DNS allows 253 bytes.
pub const HOST_MAX_BYTES: usize = 255;

// --- Connections -------------------------------------------------------------------------------------------------

/// Bytes that may wait for a peer that doesn't read before it is dropped. A report of 10,000 computes has 3 MiB.
pub const OUTPUT_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that one connection may bring into one turn of the loop, so that none keeps the others waiting.
pub const READ_TURN_MAX_BYTES: usize = 128 * 1024;
/// Lines of one connection that one turn of the loop answers: a `query` of 8 bytes may be answered by a thousand lines.
pub const LINES_TURN_MAX: usize = 16;
/// Control connections that one turn of the loop looks at, at least: of fewer it looks at all.
pub const CONTROL_LOOK_MIN: usize = 256;
/// It has looked at each of them after so many turns at most,
pub const CONTROL_ROUND_MAX: usize = 32;
/// of which each waits no longer than this while some have to wait: so a round takes well under a heartbeat.
pub const CONTROL_LOOK_MS: u64 = 20;
/// Connections that one turn of the loop accepts,
pub const ACCEPT_TURN_MAX: usize = 64;
/// and the share of the strangers' places that they are at most: so a stranger has some turns to say who he is.
pub const ACCEPTED_SHARE_MAX: usize = 4;
/// Connections that the kernel queues until they are accepted: a second of a flood, less if the kernel allows less.
pub const LISTEN_BACKLOG: i32 = 4096;
/// A connection that hasn't said who it is by then is closed. A person who drives it with `nc` needs a moment.
pub const GREETING_MAX_MS: u64 = 5_000;
/// Bytes that are read of a connection before it is known: a handshake and the longest `hello` have under 3 KiB.
pub const GREETING_MAX_BYTES: usize = 4 * 1024;
/// Connections that aren't known yet. More of them push out the oldest of the address that has the most: so a flood from
/// a few addresses keeps nobody else out, and 256 handshakes take less than 0.1 s.
pub const STRANGERS_MAX: usize = 256;
/// Who has begun a handshake isn't pushed out before: the longest way there and back. Those behind wait in the kernel's queue.
pub const HANDSHAKE_MIN_MS: u64 = 250;
/// And no more than one in so many descriptors, where there are few.
pub const STRANGERS_SHARE_MAX: usize = 4;
/// How long one turn of the loop may take for those who aren't known yet.
pub const STRANGERS_TURN_MAX_MS: u64 = 5;
/// How long one turn of the loop may take for reports, of which each walks all computes: one at least is answered.
pub const REPORTS_TURN_MAX_MS: u64 = 5;
/// What is read, and dropped, of a connection that is being closed, so that the last word to it isn't taken back by a reset.
pub const LINGER_MAX_BYTES: usize = 256 * 1024;
/// How often the log says how many were turned away: a flood of them must not fill a disk.
pub const TURNED_AWAY_LOG_MS: u64 = 10_000;
/// Connections of computes with one key: 10,000 computes, the most that one manage was measured with. More want another key.
pub const WORKERS_OF_KEY_MAX: usize = 20_000;
/// Connections of computes from one address (of IPv6, one network of 64 bits): twice what `compute --count 1024` has,
/// as those that come back may be here before their former ones are found dead.
pub const WORKERS_OF_ADDRESS_MAX: usize = 4_096;
/// Connections of reports with one key: more than there are people who watch a search.
pub const REPORTS_OF_KEY_MAX: usize = 256;
/// Connections of reports from one address, or network as above.
pub const REPORTS_OF_ADDRESS_MAX: usize = 64;
/// Descriptors that computes never get: those of strangers, reports, the ledger and local children. So whatever computes do,
/// an operator comes in.
pub const DESCRIPTORS_KEPT_MIN: usize = 512;
/// Bytes that may wait for all peers together; beyond that the one for whom most waits is dropped.
pub const OUTPUT_ALL_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Longest key file. Ours have 350 bytes.
pub const KEY_FILE_MAX_BYTES: u64 = 4 * 1024;
/// Longest list of authorized keys: some ten thousand.
pub const AUTHORIZED_MAX_BYTES: u64 = 1024 * 1024;
/// A list that was changed so shortly before it was read is read again: it may have changed within one tick of its file system's clock.
pub const AUTHORIZED_SETTLED_MIN_MS: u64 = 2_000;
/// Ticks in which a key that was authorized has to be missing before it is told so and its connections are closed: somebody
/// may just write the file. It doesn't come in meanwhile.
pub const REVOCATION_TICKS_MIN: u32 = 2;
/// Longest name of a key: with a host's name before it, it still is a name.
pub const KEY_NAME_MAX_BYTES: usize = 64;
/// How long one attempt to connect may take.
pub const CONNECT_MAX_MS: u64 = 5_000;
/// Pause before listening on for new connections when descriptors have run out.
pub const ACCEPT_PAUSE_MS: u64 = 200;
/// A closing connection may take this long to read what it was told last.
pub const LINGER_MAX_MS: u64 = 2_000;

// --- The search --------------------------------------------------------------------------------------------------

/// A compute says on its data connection at least this often that it lives, and how far it is; manage answers.
pub const HEARTBEAT_MS: u64 = 1_000;
/// Its monitor says so on the control connection, which bears no news: it need only be heard before it counts as silent.
pub const CONTROL_HEARTBEAT_MS: u64 = 3_000;
/// How long proofs may hold up a turn of manage's loop where they are behind: for one who waits meanwhile it is twice that.
pub const PROOFS_TURN_MAX_MS: u64 = 50;
/// How often manage looks after what only time brings about.
pub const TICK_MS: u64 = 1_000;
/// A peer that was silent for so long is lost: its connection is closed, its lease goes back. Ten heartbeats of a
/// compute, three of a monitor.
pub const SILENCE_MAX_MS: u64 = 10_000;
/// A report's connection may be silent for so long: a person who drives it with `nc` reads before typing on.
pub const REPORT_SILENCE_MAX_MS: u64 = 120_000;
/// Leases that were given back and may still come home, remembered at most.
pub const LAPSED_MAX: usize = 100_000;
/// Finished ranges that wait for a second compute, looked through at most for one that fits the compute that asks.
pub const RECHECKS_LOOK_MAX: usize = 256;
/// Cells that a report's picture of the coverage has at most: more than a screen shows beside each other; two strings of them fit
/// a line.
pub const CELLS_MAX: usize = 1_000;
/// Segments of the partition that are summed up together, at most. A strip of `CELLS_MAX` looks at as many parts of half of that
/// one by one, and at the sums of the others: with ten million segments each takes some milliseconds.
pub const PART_SEGMENTS_MAX: usize = 128;
/// After a restart, leases of computes that haven't come back by then are free again: longer than `BACKOFF_MAX_MS`
/// with its jitter, so that a compute that lives is back in time.
pub const RESTART_GRACE_MS: u64 = 12_000;
/// First pause of a compute that has lost manage, before its jitter; doubled at each further attempt.
pub const BACKOFF_MIN_MS: u64 = 100;
/// Longest pause between two attempts to reach manage.
pub const BACKOFF_MAX_MS: u64 = 5_000;
/// Wrong results after which a host gets no more work. One may be a bit flip; three are a broken machine.
pub const STRIKES_MAX: u32 = 3;
/// Lost computes that report still shows, at most.
pub const LOST_MAX: usize = 1_000;
/// How long report still shows a compute that is lost.
pub const LOST_SHOWN_MS: u64 = 10 * 60 * 1_000;
/// Fastest compute that is believed: a thousand times the fastest seen. A range is sized by it.
pub const OPERATIONS_PER_S_MAX: f64 = 1e14;
/// The window over which the rate of the whole search is taken.
pub const RATE_WINDOW_MS: u64 = 60_000;
/// What a range should take, unless `--seconds` says otherwise.
pub const RANGE_SECONDS_DEFAULT: f64 = 15.0;
/// How long a program waits for a ledger that another process has: one that only looks at it is done by then.
pub const LEDGER_BUSY_MAX_MS: u64 = 250;
/// Length of the ledger's write-ahead log from which on it is copied into the file: a restart reads it within a tenth of a
/// second, and under thousands of computes the loop is held up for that every eight seconds, not every one.
pub const WAL_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// A lease that takes so many times what it should is taken back when others idle: its holder hoards it, or has hung.
pub const OVERDUE_FACTOR_MAX: f64 = 10.0;
/// But not before: short ranges are taken back by `recall`, and a host may be busy for a while.
pub const OVERDUE_MIN_MS: u64 = 60_000;
/// How often a ledger that has no room is tried again: a person who has made some looks for that long.
pub const LEDGER_RETRY_MS: u64 = 1_000;
/// Decisions that wait for room in the ledger, at most: of 10,000 computes a result, an end and a new lease each, three
/// times over. Beyond that manage ends, and nothing of them was told to anybody.
pub const WITHHELD_MAX: usize = 100_000;
/// Rounds of decisions in one turn: one that brings another to pass is rare, and what is left waits for the next turn.
pub const ROUNDS_TURN_MAX: usize = 8;
/// Signs of life of a compute that has no work, until it asks for some again: whatever became of its request, or of the
/// range that was the answer, it is not idle for ever. More than `SILENCE_MAX_MS`: a range that silence has freed would else be
/// given in the very moment in which it is asked for again, and go back once for nothing.
pub const IDLE_BEATS_MAX: u32 = 13;
/// Shortest and longest `--seconds`: below, talking would cost more than 1 %; above, a lost compute costs too much.
pub const RANGE_SECONDS_MIN: f64 = 0.1;
/// See `RANGE_SECONDS_MIN`.
pub const RANGE_SECONDS_MAX: f64 = 86_400.0;
/// Near the end of a bounded search ranges shrink, so that computes end together, but not below this: see
/// `RANGE_SECONDS_MIN`.
pub const TAIL_SECONDS_MIN: f64 = RANGE_SECONDS_MIN;
/// A compute that finds no work for so long while others have some gets a part of theirs. Where all computes are as
/// fast as they were, the last ranges end within less; and with a tick more, a recall and a proof nobody idles for 2 s.
pub const STARVED_MS: u64 = 500;
/// A lease is recalled only if its holder needs longer than this for the rest: what the promise of the tail says.
pub const RECALL_SECONDS_MIN: f64 = 2.0;
/// And only if the rest costs more than so many times its first candidate, which costs a range whatever its length:
/// two ranges can then be made of it that are worth their beginning, and what a recall throws away is the lesser part.
pub const RECALL_FIRSTS_MIN: f64 = 4.0;
/// How long the timing loop of a compute runs at most: long enough for a rate within some ten percent even where
/// something else runs on the core, short enough for nobody to notice.
pub const TIMING_LOOP_MAX_MS: u64 = 250;
/// It ends before that when two stretches of this length agree: five slices of work each, the least that has a rate.
pub const TIMING_STRETCH_MS: u64 = 25;
/// How long a compute computes, and manage proves, between two looks at the signals and sockets.
pub const SLICE_MS: u64 = 5;
/// Operations of a proof, a division or as dear as two, between two looks of manage at the clock: 0.25 ms. `SLICE_MS`
/// bounds what they add up to, so a turn of the loop is held up for little longer than that.
pub const PROOF_SLICE_DIVISIONS: u64 = 50_000;
/// A signal that comes so long after the first one ends a program at once. A person who presses Ctrl-C again needs
/// longer; what hangs up or shuts down sends several signals in less.
pub const SECOND_SIGNAL_MS: u64 = 250;
/// How long manage, told to end, waits for its computes to hand in and leave.
pub const ENDING_MAX_MS: u64 = 5_000;
/// How long a compute, told to end, waits for manage to take its partial result.
pub const HAND_IN_MAX_MS: u64 = 1_500;
/// How long a process that ends waits for its child before it kills it.
pub const CHILD_EXIT_MAX_MS: u64 = 1_000;
/// How often it looks meanwhile: a child that has closed its end of a life-line is gone a moment later.
pub const CHILD_EXIT_LOOK_MS: u64 = 5;
/// A child that dies is started again, but not more often than this.
pub const RESTART_PAUSE_MS: u64 = 1_000;
/// A monitor that dies is replaced within a second, so it needs a shorter pause: this one is from start to start.
pub const MONITOR_PAUSE_MS: u64 = 500;
/// What was tried again and has not failed for so long works again: five times `RESTART_PAUSE_MS`.
pub const STEADY_MS: u64 = 5_000;
/// Most processes that `--computes` and `--count` start.
pub const CHILDREN_MAX: usize = 1_024;
/// How long report waits for an answer of manage.
pub const REPORT_MAX_MS: u64 = 10_000;
/// How often the line of progress on a terminal is drawn.
pub const PROGRESS_MS: u64 = 250;
/// How often progress is logged where there is no terminal, at first; later each time a quarter of the time more has
/// passed, up to `PROGRESS_LOG_MAX_MS`: a search of a month shall not fill a disk with it.
pub const PROGRESS_LOG_MIN_MS: u64 = 5_000;
/// See `PROGRESS_LOG_MIN_MS`.
pub const PROGRESS_LOG_MAX_MS: u64 = 600_000;
/// Longest log line: PIPE_BUF, which a pipe that poll(2) calls writable takes without blocking.
pub const LOG_LINE_MAX_BYTES: usize = 4096;

// --- Proof of work -----------------------------------------------------------------------------------------------

/// Most threads of `pow`: more than any host has cores for.
pub const THREADS_MAX: usize = 1_024;
/// Most connections, and most requests that wait: what `--queue` and `--connections` take. A request has
/// 200 bytes and its message.
pub const QUEUE_MAX: usize = 1_000_000;
/// Connections of a server of many threads, as `pow serve` is, unless told otherwise: 4 KiB each, with all that the kernel keeps, are 64 MiB.
pub const GUESTS_DEFAULT: usize = 16_384;
/// Descriptors of it that aren't connections: the listener, standard streams, three a thread.
pub const OWN_DESCRIPTORS_MIN: usize = 64;
/// Longest `--timeout` and `--idle`: a week.
pub const IDLE_SECONDS_MAX: u32 = 7 * 86_400;
/// Requests that cost up to 16^2 blocks are answered where they are read: that takes less than handing them on would.
pub const AT_ONCE_COST_MAX: usize = 2;
/// Requests that cost 16^4 blocks or more are searched by all threads that have nothing else to do; others by one.
pub const SHARED_COST_MIN: usize = 4;
/// How long a thread searches between two looks at its connections.
pub const SEARCH_SLICE_US: u64 = 500;
/// Heads, of 62 seeds each, by which a server learns how fast a thread is: under a millisecond,
pub const PACE_HEADS_MIN: u32 = 480;
/// so many times: the first is slow.
pub const PACE_ATTEMPTS_MAX: u32 = 8;
/// Bytes that are read of a connection before the others get their turn: with an unfinished line before them the most that is kept.
pub const GUEST_READ_MAX_BYTES: usize = 8 * 1024;
/// A buffer larger than this isn't kept for what comes next.
pub const BUFFER_KEPT_MAX_BYTES: usize = 1024;
/// Blocks that a thread of `pow solve` hashes between two looks whether another has found something: 10 ms.
pub const SOLVE_PART_BLOCKS_MAX: u64 = 500_000;
/// Difficulty from which on `pow solve` shows how far it is: others take under a tenth of a second.
pub const SHOWN_DIFFICULTY_MIN: u8 = 6;
/// Lines of one connection that are answered before the others get their turn.
pub const REQUESTS_TURN_MAX: usize = 4;
/// Chunks of one long answer before other connections get their turn.
pub const CHUNKS_TURN_MAX: usize = 4;
/// How long connections are served before searches get their turn: twice `SEARCH_SLICE_US`.
pub const GUESTS_TURN_MAX_US: u64 = 1_000;
/// Connections between two looks at the clock for that: each takes 10 µs, rarely 20.
pub const GUESTS_LOOK_MAX: usize = 16;
/// A line without its end is taken as a message when nothing more has come for so long: twice what a delayed
/// acknowledgement takes, behind which a sender may hold its LF back.
pub const LINE_GRACE_MS: u64 = 100;
/// The same on a connection that has done so before and never sent an LF: two packets of one message come within that.
pub const BARE_GRACE_MS: u64 = 5;
/// A client that may have gone while its search goes on gets the first byte of its answer after so long, the next after twice that,
/// and so on. If it has gone, its system refuses that, and the search ends: so it costs nothing more after 100 ms.
pub const PROBE_MIN_MS: u64 = 30;
/// A client that takes nothing of its answer for so long is dropped.
pub const STALL_MAX_MS: u64 = 10_000;
/// A connection that has been idle for so long may have to make room for another.
pub const IDLE_YIELD_MS: u64 = 5_000;
/// How often a thread looks after what only time brings about: a tenth of the shortest `--timeout`.
pub const GUESTS_TICK_MS: u64 = 100;
/// How long a server of many threads, told to end, goes on with what it has begun,
pub const SERVE_ENDING_MS: u64 = 1_000;
/// and then waits for its answers to be taken: 2 s in all, with what threads take to notice.
pub const SERVE_CLOSING_MS: u64 = 500;
/// Most connections of `pow load`: the ports of one address.
pub const LOAD_CONNECTIONS_MAX: usize = 60_000;
/// Longest `pow load`: a day.
pub const LOAD_SECONDS_MAX: u32 = 86_400;
/// Most processes of `pow load`.
pub const PROCESSES_MAX: usize = 256;
/// How long `pow load` tries to open its connections before it begins with those that it has: as long as SYNs that a full
/// queue has dropped are sent again three times.
pub const LOAD_CONNECT_MAX_MS: u64 = 10_000;
/// Connections that one of its processes opens at once: what even small queues of servers take.
pub const LOAD_CONNECTING_MAX: usize = 64;
/// How long a connection of `pow load` that was reset waits before it is opened again: not a noticeable part of what is measured.
pub const LOAD_REOPEN_MS: u64 = 100;
/// How long one that could not be opened, or was answered by an error, waits, so that a server in trouble isn't hammered.
pub const LOAD_RETRY_MS: u64 = 1_000;
/// How long its processes have to hand in what they have measured: some thousand lines.
pub const LOAD_REPORT_MAX_MS: u64 = 5_000;
/// What it reads at once: many replies' worth, so that one read nearly always takes all that there is.
pub const LOAD_READ_MAX_BYTES: usize = 16 * 1024;
/// Longest reply that it waits for the end of: a proof of its messages has 78 bytes, an error is a short line.
pub const LOAD_REPLY_MAX_BYTES: usize = 4 * 1024;
/// What is shown of a reply that isn't right.
pub const LOAD_SAMPLE_MAX_BYTES: usize = 120;

// --- Draw --------------------------------------------------------------------------------------------------------

/// Most numbers of a box: 400 MB of memory, and some seconds to bring them into their order.
pub const SIZE_MAX: u32 = 100_000_000;
/// Most numbers that a ledger may be ahead by: at a million draws a second it then has half a second for each commit.
pub const AHEAD_MAX: u32 = 1_000_000;
/// Longest id of a draw: a UUID has 36 characters, the hash of anything 64.
pub const DRAW_ID_MAX_BYTES: usize = 64;
/// Most draws of a box that have an id, of which each costs 200 bytes of memory for as long as the box lives.
pub const DRAW_IDS_MAX: usize = 1_000_000;
/// Longest line of a request: a draw of nine digits with the longest id has 80.
pub const DRAW_LINE_MAX_BYTES: usize = 128;
/// Longest line of a record: a `reveal` has 105.
pub const RECORD_LINE_MAX_BYTES: usize = 1_024;
/// Bytes of one piece of a long answer: what a socket takes at once, and all that is kept of it.
pub const ANSWER_CHUNK_BYTES: usize = 64 * 1024;
/// How long a draw waits for a ledger that has no room, before its client is told.
pub const LEDGER_WAIT_MAX_MS: u64 = 10_000;
/// How often the ledger is told what was told, where nothing is drawn that could bring it along.
pub const TOLD_TICK_MS: u64 = 100;
/// How long `loot draw` waits for each line of an answer: longer than `LEDGER_WAIT_MAX_MS`.
pub const DRAW_ANSWER_MAX_MS: u64 = 15_000;
/// How long it tries to reach a server that it hasn't reached before: one that was started along with it listens by then.
pub const DRAW_START_MAX_MS: u64 = 1_000;
/// Longest `--timeout` of `loot draw`: a day.
pub const DRAW_SECONDS_MAX: u32 = 86_400;
