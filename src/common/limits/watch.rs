//! The bounds of collect, its agents, and those who push.

/// The header of a frame: what the original's agents send.
pub const FRAME_HEADER_BYTES: usize = 64;
/// Longest frame behind its header: a thousand series at 30 bytes. Half of `LINE_MAX_BYTES`, which a connection can buffer.
pub const FRAME_MAX_BYTES: usize = 32 * 1024;
/// Longest name of an agent: a host's name and a word or two.
pub const AGENT_NAME_MAX_BYTES: usize = 128;
/// A named agent says something at least this often, if only that it lives.
pub const AGENT_HEARTBEAT_MS: u64 = 5_000;
/// A named agent that was silent for so long is gone: three heartbeats.
pub const AGENT_SILENCE_MAX_MS: u64 = 15_000;
/// Longest name of a metric.
pub const METRIC_NAME_MAX_BYTES: usize = 128;
/// Longest help of a metric: a sentence or two.
pub const METRIC_HELP_MAX_BYTES: usize = 512;
/// Most labels of a series, its agent left out.
pub const LABELS_MAX: usize = 8;
/// Longest name of a label.
pub const LABEL_NAME_MAX_BYTES: usize = 64;
/// Longest value of a label.
pub const LABEL_VALUE_MAX_BYTES: usize = 256;
/// Most buckets of a histogram, `+Inf` left out: each is a line of every scrape.
pub const BUCKETS_MAX: usize = 64;
/// An unnamed agent, which says only what it has to say, is gone after so long.
pub const UNNAMED_SILENCE_MAX_MS: u64 = 120_000;
/// A connection that hasn't said anything yet is closed after so long: the original's agents may take their time.
pub const AGENT_GREETING_MAX_MS: u64 = 30_000;
/// Who wants the name of another agent gets it if that was silent for so long: two heartbeats.
pub const AGENT_YIELD_MS: u64 = 10_000;
/// Most connections of agents at once: what `poll` can look at many times a second.
pub const AGENTS_CONNECTED_MAX: usize = 5_000;
/// Most agents that are known, those that are gone included: the oldest of those makes room for a new one.
pub const AGENTS_KNOWN_MAX: usize = 10_000;
/// Most series of one agent, as Prometheus counts them: a bucket is one.
pub const SERIES_EACH_MAX: usize = 1_000;
/// Most series of all: some 25 MB of memory, and 10 MB in a scrape.
pub const SERIES_MAX: usize = 100_000;
/// Most metrics, by their names.
pub const FAMILIES_MAX: usize = 2_000;
/// Most summaries of one agent: a window of one may have 100 KB.
pub const SUMMARIES_OF_AGENT_MAX: usize = 16;
/// Most summaries of all: with windows as large as can be 350 MB.
pub const SUMMARIES_MAX: usize = 1_000;
/// Agents of the original's kind that are known, those that are gone included: each of their connections is one.
pub const UNNAMED_KNOWN_MAX: usize = 1_000;
/// Parts of a summary's window: it moves on by one of them at a time.
pub const WINDOW_PARTS_MAX: usize = 10;
/// The relative error of a summary's quantiles.
pub const QUANTILE_ERROR_MAX: f64 = 0.01;
/// Buckets of one part of a summary's window: values from one to 10^8 times it keep their relative error.
pub const SKETCH_BINS_MAX: u32 = 1_024;
/// Longest `--window`, and longest `--expire`: ten years.
pub const EXPIRE_SECONDS_MAX: u32 = 3_650 * 86_400;
/// How often counters are written to the store at most, if they have changed: so much later they are shown, and answered for.
pub const KEEP_MS: u64 = 100;
/// How often series are looked through for those that have expired.
pub const EXPIRE_LOOK_MS: u64 = 1_000;
/// What the page's charts show: ten minutes,
pub const HISTORY_MS: u64 = 600_000;
/// in parts of so long, each one point of a line,
pub const HISTORY_PART_MS: u64 = 5_000;
/// which makes so many of them.
pub const HISTORY_PARTS_MAX: usize = (HISTORY_MS / HISTORY_PART_MS) as usize;
/// Gauges, and counters, of one agent of which a history is kept: the page shows no more.
pub const HISTORIES_OF_KIND_MAX: usize = 2;
/// The page's quantiles of a histogram are of what came in the last minute,
pub const RECENT_MS: u64 = 60_000;
/// to the nearest so much.
pub const RECENT_PART_MS: u64 = 10_000;
/// Agents up to which the page draws every point that there is; of more it draws half of them,
pub const FINE_CHARTS_MAX: usize = 60;
/// and of more than so many a quarter: 500 agents are then less than 150 KB on their way.
pub const COARSE_CHARTS_MIN: usize = 250;
/// Computes that the page's table names: `report` names them all.
pub const COMPUTES_SHOWN_MAX: usize = 200;
/// Connections from which on a turn waits for a moment, so that several have something to say in it: 500 of them then cost half,
pub const GATHER_MIN: usize = 64;
/// and how long that is: nobody who pushes once a second notices.
pub const GATHER_MS: u64 = 5;
/// Frames of one connection that one turn of the loop takes.
pub const FRAMES_TURN_MAX: usize = 32;
/// Faults of one kind of one agent that its answer names; the rest is only counted.
pub const REFUSED_SHOWN_MAX: usize = 32;
/// Most connections to the HTTP port.
pub const HTTP_CONNECTIONS_MAX: usize = 256;
/// How long a client may take for the head of its request, and be idle before it: a scraper that comes less often connects anew.
pub const HTTP_HEAD_MAX_MS: u64 = 30_000;
/// How long answers that have begun may go on when collect ends.
pub const HTTP_ENDING_MS: u64 = 500;
/// Scrapes that come so shortly after another get the same text: readers who come in crowds cost the memory of one.
pub const SCRAPE_SHARED_MS: u64 = 200;
/// How long threads that end may take for that, before the process ends without them.
pub const THREADS_ENDING_MS: u64 = 1_000;
/// Connections that the log tells of in a second, one by one; of further ones how many.
pub const CONNECTIONS_LOGGED_MAX: usize = 50;
/// What is said of a fault in an answer, at most: with `REFUSED_SHOWN_MAX` of them it stays below `FRAME_MAX_BYTES`.
pub const REFUSED_TEXT_MAX_BYTES: usize = 200;
/// How often the page is drawn anew for those who look at it.
pub const PAGE_MS: u64 = 1_000;
/// Updates of the page that wait for one who is slow to take them; then it has to begin anew.
pub const PAGE_UPDATES_MAX: usize = 8;
/// How often manage is asked for its report.
pub const INQUIRY_MS: u64 = 2_000;
/// Cells of the strip of the search's coverage.
pub const COVERAGE_CELLS_DEFAULT: u32 = 240;
/// Series that one agent has at most: ten frames of them.
pub const SERIES_OF_AGENT_MAX: usize = 10_000;
/// What an agent's summaries have seen and collect hasn't taken yet, at most: twenty frames. What comes beyond is dropped, and counted.
pub const OBSERVATIONS_MAX: usize = 100_000;
/// Pause between two pushes: what comes meanwhile goes in one frame.
pub const PUSH_PAUSE_MS: u64 = 20;
/// How often an agent says all that it has again: a sixth of collect's `--expire`, so that nothing that it still has is forgotten.
pub const PUSH_REPEAT_MS: u64 = 600_000;
/// How long an agent that is told to end goes on to say what it still has, if collect is there: collect answers when it has written,
/// which takes it `KEEP_MS` and what a busy disk needs.
pub const PUSH_LAST_MS: u64 = 500;
/// Longest sample that a program hands to its pusher: a hundred series have 3 KiB.
pub const SAMPLE_MAX_BYTES: usize = 64 * 1024;
/// How long a program that ends waits for its pusher to leave: `PUSH_LAST_MS`, and what a busy host takes.
pub const PUSHER_EXIT_MAX_MS: u64 = 700;
/// Samples that a pusher takes in one turn, so that none keeps its connection waiting.
pub const SAMPLES_TURN_MAX: usize = 16;
/// Longest line that an agent takes from another program: eight labels at their longest have 3 KiB.
pub const INPUT_LINE_MAX_BYTES: usize = 8 * 1024;
/// What it reads of them in one turn, so that its connection isn't kept waiting.
pub const INPUT_TURN_MAX_BYTES: usize = 64 * 1024;
/// Longest `--interval` and `--timeout` of an agent: an hour, and a day.
pub const INTERVAL_SECONDS_MAX: u32 = 3_600;
/// See `INTERVAL_SECONDS_MAX`.
pub const DELIVERY_SECONDS_MAX: u32 = 86_400;
/// Most metrics that one agent declares, by their names.
pub const METRICS_OF_AGENT_MAX: usize = 200;
