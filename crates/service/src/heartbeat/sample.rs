//! One line of Prometheus' text format, as this process' own recorder writes it.

/// A number with its name and labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample<'a> {
    pub name: &'a str,
    labels: Vec<(&'a str, String)>,
    pub value: f64,
}

impl<'a> Sample<'a> {
    /// The name on a line; none on a comment or an empty line.
    pub fn name_of(line: &'a str) -> Option<&'a str> {
        let end = line.find(['{', ' '])?;
        Some(&line[..end]).filter(|name| !name.is_empty() && !name.starts_with('#'))
    }

    /// None of what is no sample.
    pub fn parse(line: &'a str) -> Option<Self> {
        let name = Self::name_of(line)?;
        let mut rest = &line[name.len()..];
        let mut labels = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            while !rest.starts_with('}') {
                let (label, after) = rest.split_once("=\"")?;
                let (value, after) = quoted(after)?;
                labels.push((label, value));
                rest = after.strip_prefix(',').unwrap_or(after);
            }
            rest = &rest[1..];
        }
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self { name, labels, value })
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let (_, value) = self.labels.iter().find(|(label, _)| *label == name)?;
        Some(value)
    }
}

/// A text to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let sample = Sample::parse(r#"lag{group="a \"b\", \\c",topic="t"} 1.5e3"#).unwrap();
        assert_eq!((sample.name, sample.value), ("lag", 1500.0));
        assert_eq!(sample.label("group"), Some(r#"a "b", \c"#));
        assert_eq!(sample.label("topic"), Some("t"));
        assert_eq!(sample.label("partition"), None);
        assert_eq!(Sample::parse("up 1").unwrap().value, 1.0);
        let bucket = Sample::parse(r#"latency_bucket{le="+Inf"} 7"#).unwrap();
        assert_eq!((bucket.label("le"), bucket.value), (Some("+Inf"), 7.0));
    }

    #[test]
    fn what_is_no_sample_is_none() {
        for line in [
            "",
            "# TYPE up gauge",
            "up",
            "up one",
            "up{a=\"b 1",
            "up{a=\"b\" 1",
        ] {
            assert_eq!(Sample::parse(line), None, "{line}");
        }
    }
}
