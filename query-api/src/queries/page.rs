/// How many entries a page has at most: 1 to 200, 50 where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u8);

impl PageLimit {
    pub const MAX: i64 = 200;
    /// As many as may be.
    pub const WHOLE: Self = Self(200);

    /// # Errors
    /// What would be accepted.
    pub fn parse(number: i64) -> Result<Self, &'static str> {
        match u8::try_from(number) {
            Ok(limit @ 1..=200) => Ok(Self(limit)),
            _ => Err("is not from 1 to 200"),
        }
    }

    pub fn get(self) -> i64 {
        i64::from(self.0)
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(50)
    }
}
