//! The page for people: drawn here as a whole, and then kept up to date part by part.
//!
//! A part is an element with an id, whose inside may change; what lies between the parts changes only when something comes or
//! goes, and then the whole is sent anew.

mod agents;
mod canvas;
mod search;
mod servers;

use crate::common::clock::Millis;

use super::shared::Shared;

use canvas::Canvas;
pub use canvas::Picture;

/// How it looks.
pub const STYLE: &str = include_str!("style.css");
/// What keeps it up to date.
pub const SCRIPT: &str = include_str!("script.js");
/// Its icon.
pub const ICON: &str = include_str!("icon.svg");

/// What the page shows at this moment.
#[must_use]
pub fn draw(shared: &Shared, now: Millis) -> Picture {
    let mut canvas = Canvas::default();
    // One lock after the other: no thread ever holds both.
    let last_word = servers::last_word_of_manage(&shared.book());
    search::draw(&mut canvas, &shared.search(), last_word, now);
    let book = shared.book();
    servers::pow(&mut canvas, &book);
    servers::loot(&mut canvas, &book);
    agents::draw(&mut canvas, &book, now);
    drop(book);
    canvas.end()
}

/// The whole document.
#[must_use]
pub fn document(picture: &Picture) -> String {
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>aliquot</title>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\"><meta name=color-scheme content=\"light dark\">\
         <link rel=icon href=icon.svg type=image/svg+xml><link rel=stylesheet href=page.css><script src=page.js defer></script></head>\
         <body><header><h1>aliquot</h1><p class=quiet role=status id=state>a still picture: reload it to see how things are</p>\
         </header><main>{}</main><footer><p><a href=metrics>Metrics for Prometheus</a> · <a href=healthz>health</a> · \
         collect {}</p></footer></body></html>\n",
        picture.html(),
        env!("CARGO_PKG_VERSION")
    )
}

/// `text` as HTML has it, within quotes as well.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number as a person reads it: three digits and the prefix of its unit.
fn short(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "–".to_owned();
    }
    if size >= 999.5 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", crate::common::view::scaled(size as u64));
    }
    let decimals = match size {
        _ if value.fract() == 0.0 => 0,
        99.95.. => 0,
        9.995.. => 1,
        0.1.. => 2,
        0.001.. => 4,
        _ => return format!("{value:.1e}"),
    };
    format!("{value:.decimals$}")
}

/// A value of a metric, in what its name says that it is measured in.
fn measured(metric: &str, value: f64) -> String {
    match metric.rsplit('_').next() {
        _ if value.is_nan() => "–".to_owned(),
        Some("ratio") => format!("{:.0} %", value * 100.0),
        Some("bytes") => format!("{}B", spaced(&short(value))),
        Some("seconds") => seconds(value),
        _ => short(value),
    }
}

fn spaced(number: &str) -> String {
    if number.contains(' ') { number.to_owned() } else { format!("{number} ") }
}

/// A short time.
fn seconds(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        0.9995.. => format!("{} s", short(value)),
        0.000_999_5.. => format!("{} ms", short(value * 1e3)),
        _ => format!("{} µs", short(value * 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_units() {
        let forms = [
            (0.0, "0"),
            (3.0, "3"),
            (0.125, "0.12"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1234.0, "1.23 k"),
            (-2e6, "-2.00 M"),
            (0.0123, "0.0123"),
            (0.000_012, "1.2e-5"),
            (f64::NAN, "–"),
        ];
        for (value, want) in forms {
            assert_eq!(short(value), want);
        }
        assert_eq!(measured("a_ratio", 0.254), "25 %");
        assert_eq!([measured("a_bytes", 3e9), measured("a_bytes", 7.0)], ["3.00 GB", "7 B"]);
        assert_eq!([0.0000005, 0.0123, 2.0].map(seconds), ["0.50 µs", "12.3 ms", "2 s"]);
    }

    #[test]
    fn nothing_that_an_agent_says_is_markup() {
        assert_eq!(html("<a href=\"&\">"), "&lt;a href=&quot;&amp;&quot;&gt;");
    }
}
