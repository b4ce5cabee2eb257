//! Trouble that comes again and again: the log is told when it begins and when it is over, not each time.

use super::clock::Millis;
use super::limits::STEADY_MS;

/// What has gone wrong lately, and is tried again.
#[derive(Debug, Default)]
pub struct Trouble {
    last: Option<Millis>,
    again: u64,
}

impl Trouble {
    /// It has gone wrong; true if that is news.
    pub fn strikes(&mut self, now: Millis) -> bool {
        let news = self.last.replace(now).is_none();
        self.again += u64::from(!news);
        news
    }

    /// How often it went wrong without being news, once nothing has for `STEADY_MS`; says so once.
    pub fn over(&mut self, now: Millis) -> Option<u64> {
        let quiet = |last: Millis| now.since(last) >= STEADY_MS;
        self.last.take_if(|last| quiet(*last)).map(|_| std::mem::take(&mut self.again))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_when_it_begins_and_when_it_is_over() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.over(Millis(STEADY_MS)), None, "there was none");
        for _ in 0..2 {
            assert!(trouble.strikes(Millis(0)));
            assert!(!trouble.strikes(Millis(1)));
            assert!(!trouble.strikes(Millis(2)));
            assert_eq!(trouble.over(Millis(STEADY_MS + 1)), None, "it may come again");
            assert_eq!(trouble.over(Millis(STEADY_MS + 2)), Some(2));
            assert_eq!(trouble.over(Millis(STEADY_MS + 3)), None, "it was told");
        }
    }
}
