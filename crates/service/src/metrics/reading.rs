//! Numbers that are read at the moment of a scrape, and are not kept between: seconds above all, which the recorder's
//! counters, being whole numbers, cannot hold.

use std::fmt::Write as _;

/// How Prometheus is to take a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// One number without labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub kind: Kind,
    pub name: &'static str,
    pub help: &'static str,
    pub value: f64,
}

impl Reading {
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        let kind = Kind::Counter;
        Self {
            kind,
            name,
            help,
            value,
        }
    }

    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        let kind = Kind::Gauge;
        Self {
            kind,
            name,
            help,
            value,
        }
    }
}

/// Adds the readings to a text in Prometheus' format.
pub(super) fn append(text: &mut String, readings: &[Reading]) {
    for reading in readings {
        let (name, help, value) = (reading.name, reading.help, reading.value);
        let kind = match reading.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a text cannot fail.
        let _infallible = write!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_told_with_its_kind_and_not_rounded() {
        let mut text = "before 1\n".to_owned();
        let readings = [
            Reading::counter("spent_seconds_total", "Time spent.", 1.25),
            Reading::gauge("held_bytes", "Bytes held.", 3e9),
        ];
        append(&mut text, &readings);
        assert_eq!(
            text,
            "before 1\n# HELP spent_seconds_total Time spent.\n# TYPE spent_seconds_total counter\n\
             spent_seconds_total 1.25\n\n# HELP held_bytes Bytes held.\n# TYPE held_bytes gauge\nheld_bytes 3000000000\n\n"
        );
    }
}
