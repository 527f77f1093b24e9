//! Times for people: RFC 3339 in UTC, and how long ago that was.

use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use uuid::Uuid;

/// To the millisecond: `2026-12-01T02:00:00.123Z`.
pub fn text(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let cut = at.replace_nanosecond(at.nanosecond() / 1_000_000 * 1_000_000);
    // Every time that a store has can be formatted; one that could not is told by its second.
    let formatted = cut.unwrap_or(at).format(&Rfc3339);
    formatted.unwrap_or_else(|_| at.unix_timestamp().to_string())
}

/// `3 s ago`, or `in 12 min` for what is to come.
pub fn age(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let passed = now - at;
    let length = length(passed.abs());
    if passed.is_negative() {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

/// A time with its age: `2026-12-01T02:00:00Z (3 s ago)`.
pub fn with_age(at: OffsetDateTime, now: OffsetDateTime) -> String {
    format!("{} ({})", text(at), age(at, now))
}

/// In the largest unit of which there are two at least, cut.
fn length(duration: Duration) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let seconds = duration.whole_seconds();
    let unit = units.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{} {name}", seconds / unit)
}

/// When an id was made that tells it (UUID version 7).
pub fn of_id(id: Uuid) -> Option<OffsetDateTime> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    let at = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    // Only version 7 counts from 1970.
    (id.get_version_num() == 7).then(|| at + Duration::nanoseconds(nanoseconds.into()))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_is_told_in_utc_with_its_age() {
        let at = datetime!(2026-12-01 04:00:00.123456 +02:00);
        let told = |seconds| with_age(at, at + Duration::seconds(seconds));
        assert_eq!(told(3), "2026-12-01T02:00:00.123Z (3 s ago)");
        assert_eq!(told(119), "2026-12-01T02:00:00.123Z (119 s ago)");
        assert_eq!(told(120), "2026-12-01T02:00:00.123Z (2 min ago)");
        assert_eq!(told(7_200), "2026-12-01T02:00:00.123Z (2 h ago)");
        assert_eq!(told(3 * 86_400), "2026-12-01T02:00:00.123Z (3 d ago)");
        assert_eq!(told(-900), "2026-12-01T02:00:00.123Z (in 15 min)");
    }

    #[test]
    fn an_id_of_version_7_tells_when_it_was_made() {
        let id = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        assert_eq!(of_id(id).map(text).as_deref(), Some("2024-11-03T06:41:04.603Z"));
        assert_eq!(of_id(Uuid::nil()), None);
        assert_eq!(
            of_id("a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d".parse().unwrap()),
            None
        );
    }
}
