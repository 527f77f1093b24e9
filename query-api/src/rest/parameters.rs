//! Query parameters, strictly: an unknown one, a repeated one and a wrong one are all named, at once.

use depot_domain::VersionToken;
use depot_service::problem::{FieldFault, Problem, types};
use url::form_urlencoded;

use crate::queries::PageLimit;

/// The parameters of one request that were not asked for yet, and what was wrong with those that were.
#[derive(Debug)]
pub struct Parameters {
    left: Vec<(String, String)>,
    asked: Vec<&'static str>,
    faults: Vec<FieldFault>,
}

impl Parameters {
    pub fn of(query: Option<&str>) -> Self {
        let left = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
        Self {
            left,
            asked: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// All values of a parameter that may be repeated.
    pub fn all<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Vec<T> {
        self.asked.push(name);
        let (asked, left) = std::mem::take(&mut self.left)
            .into_iter()
            .partition(|(found, _)| found == name);
        self.left = left;
        let asked: Vec<(String, String)> = asked;
        let mut values = Vec::with_capacity(asked.len());
        for (_, text) in asked {
            // The decoder writes this for bytes that are no UTF-8.
            let parsed = if text.contains('\u{fffd}') {
                Err("is not valid UTF-8")
            } else {
                parse(&text)
            };
            match parsed {
                Ok(value) => values.push(value),
                Err(detail) => self.faults.push(FieldFault::new(name, detail)),
            }
        }
        values
    }

    /// The value of a parameter that may be given once.
    pub fn one<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let count = self.left.iter().filter(|(found, _)| found == name).count();
        let values = self.all(name, parse);
        if count > 1 {
            self.faults.push(FieldFault::new(name, "is given more than once"));
        }
        values.into_iter().next()
    }

    /// `limit`.
    pub fn limit(&mut self) -> PageLimit {
        let parse = |text: &str| {
            let number = text.parse().map_err(|_| "is no whole number from 1 to 200")?;
            PageLimit::parse(number)
        };
        self.one("limit", parse).unwrap_or_default()
    }

    /// `min_version`.
    pub fn min_version(&mut self) -> Option<VersionToken> {
        self.one("min_version", |text| {
            text.parse()
                .map_err(|_| "is no version such as 7 (or 1.7 after a restore)")
        })
    }

    /// Records a fault that is found in several parameters together.
    pub fn fault(&mut self, name: &'static str, detail: &'static str) {
        self.faults.push(FieldFault::new(name, detail));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// The problem `invalid-parameter` with everything that was wrong.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in &self.left {
            let shown: String = name.chars().take(60).collect();
            let detail = match self.asked.as_slice() {
                [] => "is unknown; there are no parameters here".to_owned(),
                known => format!("is unknown; there are {}", known.join(", ")),
            };
            self.faults.push(FieldFault::new(shown, detail));
        }
        match self.faults.as_slice() {
            [] => Ok(()),
            [only] => Err(Problem::invalid_parameter(&only.pointer, only.detail.clone())),
            faults => Err(Problem::of(&types::INVALID_PARAMETER)
                .with_detail(format!("{} parameters cannot be used; see errors.", faults.len()))
                .with_errors(self.faults)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_named_at_once() {
        let mut parameters = Parameters::of(Some("limit=0&min_version=x&foo=1&owner=a&owner=b&q=%ff"));
        parameters.limit();
        parameters.min_version();
        parameters.one("owner", |text| Ok(text.to_owned()));
        parameters.one("q", |text| Ok(text.to_owned()));
        let problem = parameters.finish().unwrap_err();
        let names: Vec<_> = problem
            .errors
            .iter()
            .map(|fault| fault.pointer.as_str())
            .collect();
        assert_eq!(names, ["limit", "min_version", "owner", "q", "foo"]);
    }
}
