//! Charts, drawn here as SVG: so that the page shows them without a script, and a screen reader reads what they say.

use std::fmt::Write;

/// Units of a chart's drawing from its bottom to its top: what half a pixel's height is on most screens.
const HEIGHT: f32 = 40.0;
/// Parts of a plot that its table names.
const ROWS: usize = 10;

/// Points of a line, the latest last: NaN where nothing is known.
#[derive(Clone, Debug)]
pub struct Line {
    points: Vec<f32>,
    /// Points that a whole line would have: what is missing lies before the first.
    whole: usize,
    /// Value at the top, if that is given: a share's is 1.
    top: Option<f32>,
}

impl Line {
    /// The last of `whole` points; the top of a line is its highest point unless it is given.
    #[must_use]
    pub fn new(points: Vec<f32>, whole: usize, top: Option<f32>) -> Self {
        Self { points, whole, top }
    }

    /// The same with so many points at most, each the mean of what it stands for.
    #[must_use]
    pub fn coarser(&self, most: usize) -> Self {
        let each = self.whole.div_ceil(most.max(1)).max(1);
        // Groups end where the line does.
        let first = self.points.len() % each;
        let groups = (first > 0).then(|| &self.points[..first]).into_iter().chain(self.points[first..].chunks(each));
        let mean = |group: &[f32]| {
            let known: Vec<f32> = group.iter().copied().filter(|point| !point.is_nan()).collect();
            known.iter().sum::<f32>() / known.len() as f32
        };
        Self { points: groups.map(mean).collect(), whole: self.whole.div_ceil(each), top: self.top }
    }

    fn known(&self) -> impl Iterator<Item = f32> {
        self.points.iter().copied().filter(|point| point.is_finite())
    }

    /// Least and most of it; nothing if no point is known.
    #[must_use]
    pub fn bounds(&self) -> Option<(f32, f32)> {
        self.known().map(|point| (point, point)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Where zero and the top are: a line that goes below zero has its least point at the bottom.
    fn scale(&self) -> (f32, f32) {
        let (least, most) = self.bounds().unwrap_or((0.0, 0.0));
        let (bottom, top) = (least.min(0.0), self.top.map_or(most, |top| top.max(most)));
        (bottom, if top > bottom { top } else { bottom + 1.0 })
    }

    /// The line as the `d` of a path: a unit to the right for each point.
    #[must_use]
    pub fn path(&self) -> String {
        let (bottom, top) = self.scale();
        let height = |point: f32| (HEIGHT - (point - bottom) / (top - bottom) * HEIGHT).round() as i32;
        let (mut d, mut last) = (String::new(), None);
        let from = self.whole.saturating_sub(self.points.len());
        for (at, point) in self.points.iter().enumerate() {
            if !point.is_finite() {
                last = None;
                continue;
            }
            let y = height(*point);
            // Writing to a String can't fail.
            let _ = match last {
                // A point by itself is a dash.
                None => write!(d, "M{} {y}h.5m-.5 0", from + at),
                Some(before) if y == before => write!(d, "h1"),
                Some(before) => write!(d, "l1 {}", y - before),
            };
            last = Some(y);
        }
        d
    }

    /// A small chart, for a row of a table: its title says from what to what it goes.
    #[must_use]
    pub fn spark(&self, show: impl Fn(f32) -> String) -> String {
        let title = match self.bounds() {
            Some((least, most)) => format!("{} to {}", show(least), show(most)),
            None => "nothing yet".to_owned(),
        };
        let width = self.whole.saturating_sub(1).max(1);
        format!(
            "<svg viewBox=\"0 0 {width} {HEIGHT}\" role=img preserveAspectRatio=none><title>{title}</title><path d=\"{}\"/></svg>",
            self.path()
        )
    }

    /// A large chart with its scale, and the same as a table. `id` tells it from others, `ago` says how long ago each of the
    /// table's rows is.
    #[must_use]
    pub fn plot(&self, id: &str, title: &str, show: impl Fn(f32) -> String, ago: &str) -> String {
        let width = self.whole.saturating_sub(1).max(1);
        let (bottom, top) = self.scale();
        let latest = self.points.iter().rev().copied().find(|point| point.is_finite());
        let desc = match (self.bounds(), latest) {
            (Some((least, most)), Some(latest)) => {
                format!("Now {}; from {} to {}.", show(latest), show(least), show(most))
            }
            _ => "Nothing is known yet.".to_owned(),
        };
        let rows = self.table(&show, ago);
        format!(
            "<figure><figcaption>{title}</figcaption><div class=plot><svg viewBox=\"0 0 {width} {HEIGHT}\" role=img \
             preserveAspectRatio=none aria-labelledby=\"{id}-t {id}-d\"><title id={id}-t>{title}</title><desc id={id}-d>{desc}</desc>\
             <path class=grid d=\"M0 0h{width}M0 {half}h{width}M0 {HEIGHT}h{width}\"/><path d=\"{}\"/></svg><span class=top>{}</span>\
             <span class=bottom>{}</span></div><div class=axis><span>10 min ago</span><span>now</span></div>\
             <details><summary>As a table</summary><table><thead><tr><th scope=col>Minutes ago<th scope=col>{title}</thead>\
             <tbody>{rows}</tbody></table></details></figure>",
            self.path(),
            show(top),
            show(bottom),
            half = HEIGHT / 2.0,
        )
    }

    /// The rows of a plot's table, the latest first.
    fn table(&self, show: &impl Fn(f32) -> String, ago: &str) -> String {
        let coarse = self.coarser(ROWS);
        let row = |(nth, point): (usize, &f32)| {
            let value = if point.is_finite() { show(*point) } else { "nothing".to_owned() };
            format!("<tr><td>{nth} to {}{ago}<td>{value}", nth + 1)
        };
        coarse.points.iter().rev().enumerate().map(row).collect()
    }
}

/// The coverage of a search as a strip: cells that are done, in part, at work, or not yet; `done` and `leased` have a character
/// each for a cell, as manage reports them.
#[must_use]
pub fn strip(done: &str, leased: &str) -> String {
    let kind = |(done, leased): (char, char)| match (done, leased) {
        ('X', _) => "done",
        (_, '1'..='9' | 'X') => "work",
        ('0', _) => "hole",
        _ => "part",
    };
    let cells: Vec<_> = done.chars().zip(leased.chars()).map(kind).collect();
    let mut rects = String::new();
    let mut at = 0;
    for run in cells.chunk_by(|a, b| a == b) {
        let _ = write!(rects, "<rect class={} x={at} width={} height=10 />", run[0], run.len());
        at += run.len();
    }
    let count = |kind: &str| cells.iter().filter(|own| **own == kind).count();
    let (whole, holes) = (cells.len(), count("hole"));
    let desc = format!(
        "Of {whole} equal parts {} are done, {} at work, {} done in part and {holes} not begun.",
        count("done"),
        count("work"),
        count("part")
    );
    format!(
        "<svg class=strip viewBox=\"0 0 {} 10\" role=img preserveAspectRatio=none aria-labelledby=\"strip-t strip-d\">\
         <title id=strip-t>Coverage of the search</title><desc id=strip-d>{desc}</desc>{rects}</svg><p class=legend>\
         <span class=done>done</span> <span class=part>in part</span> <span class=work>at work</span> \
         <span class=hole>not begun</span> <span class=quiet>{desc}</span></p>",
        whole.max(1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[f32]) -> Line {
        Line::new(points.to_vec(), points.len(), None)
    }

    #[test]
    fn a_line_goes_from_zero_to_its_highest_point() {
        assert_eq!(line(&[0.0, 1.0, 1.0, 0.5]).path(), "M0 40h.5m-.5 0l1 -40h1l1 20");
        assert_eq!(line(&[-1.0, 1.0]).path(), "M0 40h.5m-.5 0l1 -40");
        assert_eq!(line(&[0.0, 0.0]).path(), "M0 40h.5m-.5 0h1");
        assert_eq!(Line::new(vec![0.5], 3, Some(1.0)).path(), "M2 20h.5m-.5 0", "what is missing lies before");
        assert_eq!(line(&[]).path(), "");
    }

    #[test]
    fn a_gap_is_a_gap() {
        assert_eq!(line(&[1.0, f32::NAN, 1.0]).path(), "M0 0h.5m-.5 0M2 0h.5m-.5 0");
        assert_eq!(line(&[f32::NAN]).bounds(), None);
    }

    #[test]
    fn fewer_points_are_means() {
        let coarse = Line::new(vec![9.0, 1.0, 3.0, f32::NAN, 4.0], 6, None).coarser(3);
        assert_eq!((coarse.points, coarse.whole), (vec![9.0, 2.0, 4.0], 3));
    }

    #[test]
    fn holes_are_seen() {
        let drawn = strip("XX050", "00020");
        for rect in
            ["class=done x=0 width=2", "class=hole x=2 width=1", "class=work x=3 width=1", "class=hole x=4 width=1"]
        {
            assert!(drawn.contains(rect), "{rect}: {drawn}");
        }
        assert!(drawn.contains("Of 5 equal parts 2 are done, 1 at work, 0 done in part and 2 not begun."));
    }
}
