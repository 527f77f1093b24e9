/// What is asked of one figure of ours, against one of another measure of the same row.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// The measure that is ours, and its figure: `("ours", "per_second")`.
    pub ours: (&'static str, &'static str),
    /// What it is held against.
    pub against: (&'static str, &'static str),
    pub bound: Bound,
}

/// Of the ratio, ours to the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
        }
    }

    /// The ratio with two digits, cut in the direction that is not in our favour.
    pub fn cut(self, ratio: f64) -> f64 {
        match self {
            Self::AtLeast(_) => (ratio * 100.0).floor() / 100.0,
            Self::AtMost(_) => (ratio * 100.0).ceil() / 100.0,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "≥ {bound}"),
            Self::AtMost(bound) => write!(f, "≤ {bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_judged_as_it_is_and_shown_cut_against_us() {
        assert!(!Bound::AtLeast(1.0).holds(0.999));
        assert_eq!(Bound::AtLeast(1.0).cut(0.999), 0.99);
        assert!(Bound::AtLeast(3.0).holds(3.0));
        assert!(!Bound::AtMost(2.0).holds(2.001));
        assert_eq!(Bound::AtMost(2.0).cut(2.001), 2.01);
    }
}
