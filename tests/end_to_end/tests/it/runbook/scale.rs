//! The deployed rules with other times, so that a rehearsal takes minutes. Their conditions stay: what is looked at, and what
//! is compared with it, but for the ages of `AGES`, which would otherwise have to be waited for.

/// For how long something has to be so.
const HOLDS: [(&str, &str); 7] = [
    ("0m", "0s"),
    ("1m", "2s"),
    ("2m", "3s"),
    ("5m", "5s"),
    ("10m", "7s"),
    ("15m", "9s"),
    ("1h", "12s"),
];
/// How far a rate or an increase looks back: a dozen scrapes at least, since what is tried again is so each 15 seconds only.
const LOOKS_BACK: [(&str, &str); 7] = [
    ("[5m]", "[12s]"),
    ("[10m]", "[15s]"),
    ("[15m]", "[20s]"),
    ("[20m]", "[24s]"),
    ("[30m]", "[30s]"),
    ("[1h]", "[45s]"),
    ("[6h]", "[60s]"),
];
/// From which age on something is late, in seconds. The day of a dead letter is not here: an old one is planted.
pub const AGES: [(&str, &str, &str); 4] = [
    ("DepotOutboxNotDraining", "> 60", "> 5"),
    ("DepotConsumerLate", "> 60", "> 5"),
    ("DepotUploadsNotProgressing", "> 900", "> 8"),
    // Keys are read each ten seconds at the most.
    ("DepotTokenKeysStale", "> 1800", "> 25"),
];

/// A file of rules with these times.
///
/// # Panics
/// If it has a time that is in none of the tables.
pub fn scaled(rules: &str) -> String {
    let mut alert = "";
    let lines = rules.lines().map(|line| {
        if let Some(name) = line.trim_start().strip_prefix("- alert: ") {
            alert = name;
        }
        scaled_line(alert, line) + "\n"
    });
    lines.collect()
}

fn scaled_line(alert: &str, line: &str) -> String {
    let text = line.trim_start();
    if text.starts_with('#') {
        return line.to_owned();
    }
    let is_expression = !text.contains(": ");
    let unknown = ["keep_firing_for:", "interval:"];
    let is_unknown = unknown.iter().any(|word| line.contains(word));
    assert!(
        !(is_unknown || is_expression && line.contains(" offset ")),
        "{alert}: not scaled: {line}"
    );
    if let Some(hold) = text.strip_prefix("for: ") {
        let scaled = HOLDS.iter().find(|(deployed, _)| *deployed == hold);
        let (_, here) = scaled.unwrap_or_else(|| panic!("{alert}: {hold} is not in the table"));
        return line.replace(hold, here);
    }
    let mut line = line.to_owned();
    for (deployed, here) in LOOKS_BACK {
        line = line.replace(deployed, here);
    }
    for unit in ["m]", "h]", "d]"] {
        assert!(
            !line.contains(unit),
            "{alert}: {line} has a time that is in no table"
        );
    }
    for (_, deployed, here) in AGES.iter().filter(|(of, ..)| *of == alert && is_expression) {
        if let Some(begin) = line.strip_suffix(deployed) {
            line = format!("{begin}{here}");
        }
    }
    line
}

#[test]
fn times_are_scaled_and_nothing_else() {
    let rules = "# [5m]\n- alert: DepotConsumerLate\n  expr: |-\n    max(x[5m]) > 60\n  for: 5m\n\
                 - alert: Other\n  expr: |-\n    y > 60\n  for: 10m\n    description: 'more than > 60'\n";
    let expected = "# [5m]\n- alert: DepotConsumerLate\n  expr: |-\n    max(x[12s]) > 5\n  for: 5s\n\
                    - alert: Other\n  expr: |-\n    y > 60\n  for: 7s\n    description: 'more than > 60'\n";
    assert_eq!(scaled(rules), expected);
}
