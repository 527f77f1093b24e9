//! The bytes on their way: whole, or in parts of which several go at once.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Body, RequestBuilder, header::CONTENT_LENGTH};
use uuid::Uuid;

use super::{
    api::{Api, Arrived, Signed, sending, successful},
    error::UploadError,
    progress::Progress,
    source::Source,
};

/// What sending takes.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    pub api: &'a Api,
    pub source: &'a Source,
    pub progress: &'a Progress,
}

/// How many parts were sent, and how many had arrived before.
#[derive(Debug, Clone, Copy, Default)]
pub struct PartsSent {
    pub sent: u32,
    pub found: u32,
}

impl Sending<'_> {
    /// Sends the file by the one signed request that takes it. What lies there already is not overwritten.
    pub async fn whole(self, signed: &Signed) -> Result<(), UploadError> {
        self.progress.begin("sending", self.source.size_bytes, 0);
        let sent = self
            .api
            .repeated(|| {
                self.once(
                    "send the file",
                    self.api.signed(signed),
                    0,
                    self.source.size_bytes,
                )
            })
            .await;
        match sent {
            // It was sent before, and the answer was lost.
            Err(UploadError::Refused { status: 412, .. }) => Ok(()),
            sent => sent,
        }
    }

    /// Sends the file to the API, which streams it on.
    pub async fn through_api(self, id: Uuid, content_type: &str) -> Result<(), UploadError> {
        self.progress.begin("sending", self.source.size_bytes, 0);
        let request = || self.api.content(id, content_type);
        self.api
            .repeated(|| self.once("send the file", request(), 0, self.source.size_bytes))
            .await
    }

    /// Sends the parts that have not arrived, `parallel` at a time.
    pub async fn parts(self, id: Uuid, arrived: &Arrived, parallel: u8) -> Result<PartsSent, UploadError> {
        let missing = missing(arrived, self.source.size_bytes);
        let left: u64 = missing.iter().map(|part| part.length).sum();
        let found = u32::try_from(arrived.part_count).unwrap_or(u32::MAX) - missing.len() as u32;
        self.progress
            .begin("sending", self.source.size_bytes, self.source.size_bytes - left);
        let sent = missing.len() as u32;
        stream::iter(missing.into_iter().map(|part| self.part(id, part)))
            .buffer_unordered(usize::from(parallel))
            .try_collect::<()>()
            .await?;
        Ok(PartsSent { sent, found })
    }

    /// A part is signed anew for each attempt: a URL ends, and what has happened to the upload is told then.
    async fn part(self, id: Uuid, part: Range) -> Result<(), UploadError> {
        let once = || async {
            let signed = self.api.sign_part(id, part.number).await?;
            let request = self.api.signed(&signed);
            let sent = self.once("send a part", request, part.offset, part.length).await;
            match sent {
                Err(UploadError::Refused {
                    status: status @ (403 | 404),
                    doing,
                    ..
                }) => Err(UploadError::Away {
                    doing,
                    source: format!("the object store answered {status}").into(),
                }),
                sent => sent,
            }
        };
        self.api.repeated(once).await
    }

    async fn once(
        self,
        doing: &'static str,
        request: RequestBuilder,
        offset: u64,
        length: u64,
    ) -> Result<(), UploadError> {
        let attempt = self.progress.attempt();
        let stream = self.source.stream(offset, length, &attempt).await;
        let stream = stream.map_err(|source| UploadError::File {
            path: self.source.path.clone(),
            source,
        })?;
        // Its length is part of the signature, and a stream does not tell it by itself.
        let request = request
            .timeout(sending(length))
            .header(CONTENT_LENGTH, length)
            .body(Body::wrap_stream(stream));
        let sent = successful(doing, request).await;
        if sent.is_err() {
            attempt.take_back();
        }
        sent.map(drop)
    }
}

/// A part's place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    number: u64,
    offset: u64,
    length: u64,
}

/// The parts that have not arrived with the size that they are to have.
fn missing(arrived: &Arrived, size_bytes: u64) -> Vec<Range> {
    let part_size = arrived.part_size_bytes.max(1);
    let range = |number: u64| {
        let offset = (number - 1) * part_size;
        Range {
            number,
            offset,
            length: part_size.min(size_bytes.saturating_sub(offset)),
        }
    };
    let is_there = |range: &Range| {
        let mut parts = arrived.parts.iter();
        parts.any(|part| part.number == range.number && part.size_bytes == range.length)
    };
    (1..=arrived.part_count)
        .map(range)
        .filter(|range| !is_there(range))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::api::Part, *};

    #[test]
    fn only_parts_that_have_not_arrived_whole_are_sent() {
        let part = |number, size_bytes| Part { number, size_bytes };
        let arrived = Arrived {
            status: "pending".into(),
            part_size_bytes: 10,
            part_count: 4,
            parts: vec![part(1, 10), part(3, 9)],
        };
        let missing = missing(&arrived, 35);
        let found: Vec<_> = missing
            .iter()
            .map(|part| (part.number, part.offset, part.length))
            .collect();
        assert_eq!(found, [(2, 10, 10), (3, 20, 10), (4, 30, 5)]);
    }
}
