//! Parsers of what stands on a command line, for `clap`: they say what is allowed.

use std::ops::RangeInclusive;

/// A parser of numbers within bounds.
pub fn within(bounds: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| {
        let fault = || format!("not a number from {} to {}", bounds.start(), bounds.end());
        text.parse().ok().filter(|number| bounds.contains(number)).ok_or_else(fault)
    }
}

/// A number of seconds, a tenth of one at least.
///
/// # Errors
/// What it has to be.
pub fn bounded_seconds(text: &str, max: u32) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=f64::from(max)).contains(seconds));
    seconds.ok_or_else(|| format!("not a number of seconds from 0.1 to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let parse = within(1..=3);
        assert_eq!(["1", "3"].map(&parse), [Ok(1), Ok(3)]);
        for wrong in ["0", "4", "", "-1", "x"] {
            assert_eq!(parse(wrong), Err("not a number from 1 to 3".to_owned()), "{wrong:?}");
        }
        assert_eq!([bounded_seconds("0.1", 5), bounded_seconds("5", 5)], [Ok(0.1), Ok(5.0)]);
        for wrong in ["0.09", "5.1", "NaN", "inf", "", "x"] {
            let fault = "not a number of seconds from 0.1 to 5".to_owned();
            assert_eq!(bounded_seconds(wrong, 5), Err(fault), "{wrong:?}");
        }
    }
}
