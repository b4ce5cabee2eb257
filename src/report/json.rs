//! The report as one JSON object, for programs. Integers that can pass 2^53 are strings.

use serde_json::{Value, json};

use crate::common::inquiry::Report;
use crate::common::message::{Compute, Distrusted};

/// The version of the object's layout.
const SCHEMA: u32 = 1;

/// The object.
#[must_use]
pub fn object(report: &Report) -> Value {
    let status = &report.status;
    json!({
        "schema": SCHEMA,
        "host": status.host,
        "listen": status.listen,
        "ledger": status.ledger,
        "method": status.method.name(),
        "first": status.first.to_string(),
        "last": status.last.map(|last| last.to_string()),
        "perfect": status.perfect.0.iter().map(u64::to_string).collect::<Vec<_>>(),
        "tested": status.tested.to_string(),
        "contiguous_to": status.contiguous_to.to_string(),
        "leased": status.leased.to_string(),
        "unchecked": status.unchecked.to_string(),
        "rate_per_s": status.rate_per_s,
        "eta_s": status.eta_s,
        "uptime_s": status.uptime_s,
        "ending": status.ending,
        "trouble": status.trouble,
        "distrusted": report.distrusted.iter().map(distrusted).collect::<Vec<_>>(),
        "computes": report.computes.iter().map(compute).collect::<Vec<_>>(),
    })
}

fn distrusted(distrusted: &Distrusted) -> Value {
    json!({ "host": distrusted.host, "taken_back": distrusted.taken_back.to_string() })
}

fn compute(compute: &Compute) -> Value {
    json!({
        "host": compute.host,
        "pid": compute.pid,
        "state": compute.state.name(),
        "kernel": compute.kernel,
        "ops_per_s": compute.ops_per_s,
        "rate_per_s": compute.rate_per_s,
        "first": compute.first.map(|first| first.to_string()),
        "last": compute.last.map(|last| last.to_string()),
        "seen_s": compute.seen_ms / 1000,
        "ranges": compute.ranges,
        "strikes": compute.strikes,
    })
}
