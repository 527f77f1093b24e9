use query_api::cursor::{Cursors, Scope};
use secrecy::SecretString;

/// A page's cursor, as it comes from a client: none opens but what was sealed, for its own question.
pub fn cursor(data: &[u8]) {
    let cursors = Cursors::new(&SecretString::from("a secret of thirty-two bytes, here"));
    let (asked, other) = (Scope::of(["items", "alice"]), Scope::of(["items", "bob"]));
    let text = String::from_utf8_lossy(data);
    if let Ok(position) = cursors.open(asked, &text) {
        assert_eq!(
            cursors.seal(asked, &position),
            text,
            "it opens, and was not sealed"
        );
    }
    let sealed = cursors.seal(asked, data);
    match cursors.open(asked, &sealed) {
        Ok(position) => assert_eq!(position, data),
        Err(_) => assert!(data.len() > 1_400, "a position of this length is to open"),
    }
    assert!(cursors.open(other, &sealed).is_err(), "for another question");
    // What differs in one character.
    let Some(at) = data.first().map(|byte| usize::from(*byte) % sealed.len()) else {
        return;
    };
    let changed: String = sealed
        .char_indices()
        .map(|(place, c)| match place == at {
            true if c == 'A' => 'B',
            true => 'A',
            false => c,
        })
        .collect();
    assert!(cursors.open(asked, &changed).is_err(), "{changed}");
}
