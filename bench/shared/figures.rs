//! How figures are shown.

/// The middle one, or the upper of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// 1.57·10^10, as the tables of README.md have it.
pub fn scientific(value: f64) -> String {
    let (digits, exponent) = format!("{value:.2e}").split_once('e').map_or_else(
        || (format!("{value}"), String::new()),
        |(digits, exponent)| (digits.to_owned(), format!("·10^{exponent}")),
    );
    digits + &exponent
}
