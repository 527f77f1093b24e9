use std::convert::Infallible;

use bytes::Bytes;
use command_api::http::lines::{Lines, NoLine};
use futures::{executor::block_on, stream};

/// Lines of a body, in pieces of a size and up to a length that come from the bytes too: those that it has, each whole, until
/// one is too long.
pub fn import_lines(data: &[u8]) {
    let Some(([size, max_bytes], body)) = data.split_first_chunk() else {
        return;
    };
    let (size, max_bytes) = (usize::from(*size).max(1), usize::from(*max_bytes));
    let mut expected: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    // What stands behind the last end is a line if there is something.
    if expected.last().is_some_and(|line| line.is_empty()) {
        expected.pop();
    }
    let pieces = body.chunks(size);
    let pieces = pieces.map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)));
    let mut lines = Lines::new(stream::iter(pieces), max_bytes);
    for line in expected {
        match block_on(lines.next()) {
            Ok(Some(found)) => assert_eq!(found, line),
            Ok(None) => panic!("a line is missing"),
            Err(NoLine::Broken(never)) => match never {},
            Err(NoLine::TooLong) => {
                assert!(line.len() > max_bytes, "it is short enough");
                return;
            }
        }
        assert!(line.len() <= max_bytes, "it is too long");
    }
    assert_eq!(block_on(lines.next()), Ok(None));
}
