//! What a client of HTTP would like to have (RFC 9110, section 12.5.1), among what there is.

use super::exposition::Format;

/// What can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The page for people.
    Page,
    /// Metrics.
    Metrics(Format),
}

/// A range of media types, with its weight.
struct Range<'h> {
    media: &'h str,
    version: &'h str,
    weight: f64,
}

fn ranges(header: &str) -> impl Iterator<Item = Range<'_>> {
    header.split(',').map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        let value =
            |name: &str| parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
        let weight = value("q").and_then(|q| q.parse().ok()).unwrap_or(1.0);
        Range { media, version: value("version").unwrap_or_default().trim_matches('"'), weight }
    })
}

/// How much a client would like each: the weight of the range that names it most closely.
fn weight(header: &str, media: &str, version: &str) -> f64 {
    let family = media.split_once('/').map_or("", |(family, _)| family);
    let closeness = |range: &Range<'_>| match range.media {
        own if own.eq_ignore_ascii_case(media) => (range.version.is_empty() || range.version == version).then_some(3),
        "*/*" => Some(1),
        own => own.strip_suffix("/*").filter(|own| own.eq_ignore_ascii_case(family)).map(|_| 2),
    };
    let closest = ranges(header).filter_map(|range| Some((closeness(&range)?, range.weight)));
    closest.fold((0, 0.0), |best, next| if next.0 > best.0 { next } else { best }).1
}

/// The format of metrics that a client gets: OpenMetrics if it would rather have that, text else.
#[must_use]
pub fn format(header: &str) -> Format {
    let open = weight(header, "application/openmetrics-text", "1.0.0");
    let names_it = header.to_ascii_lowercase().contains("openmetrics");
    if names_it && open > 0.0 && open >= weight(header, "text/plain", "0.0.4") {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// What a client gets at `/`: the page if it names HTML and wants nothing more than that, as browsers do; metrics else, as the
/// original's port gave them.
#[must_use]
pub fn wanted(header: &str) -> Wanted {
    let names_html = header.to_ascii_lowercase().contains("text/html");
    let (html, text) = (weight(header, "text/html", ""), weight(header, "text/plain", "0.0.4"));
    if names_html && html > 0.0 && html >= text { Wanted::Page } else { Wanted::Metrics(format(header)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_what_it_likes_best() {
        let since_2_41 = "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.25,*/*;q=0.1";
        assert_eq!(format(since_2_41), Format::OpenMetrics);
        assert_eq!(wanted(since_2_41), Wanted::Metrics(Format::OpenMetrics));
        for text in [
            "",
            "*/*",
            "text/plain",
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=0",
            "text/plain;q=1, application/openmetrics-text;version=1.0.0;q=0.5",
            ",;=,;;q=x",
        ] {
            assert_eq!(format(text), Format::Text, "{text:?}");
        }
        assert_eq!(format("Application/OpenMetrics-Text; version=\"1.0.0\"; Q=0.5"), Format::OpenMetrics);
    }

    #[test]
    fn browsers_get_the_page_and_others_text() {
        for page in ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"] {
            assert_eq!(wanted(page), Wanted::Page, "{page}");
        }
        for text in ["", "*/*", "text/plain", "text/plain, text/html;q=0.5", "text/html;q=0, text/plain", "text/*"] {
            assert_eq!(wanted(text), Wanted::Metrics(Format::Text), "{text}");
        }
    }
}
