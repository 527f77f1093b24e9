//! Files in staging, put there as clients do.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use depot_end_to_end::Client;
use depot_object_store::Hasher;
use depot_service::auth::Role;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::items::visible_items;
use crate::installation::Installation;

const PIECE: usize = 1024 * 1024;
/// An item takes a hundred at most.
const FILES_OF_AN_ITEM: usize = 50;
/// PUTs at a time.
const PARALLEL: usize = 8;

/// A file of any size that no other file is like, made piece by piece.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    id: Uuid,
    size: usize,
}

/// An upload whose file lies in staging, and was not completed yet.
#[derive(Debug)]
pub struct Staged {
    pub id: String,
    pub key: String,
}

impl Content {
    pub const TYPE: &'static str = "application/octet-stream";

    pub fn new(size: usize) -> Self {
        Self {
            id: Uuid::now_v7(),
            size,
        }
    }

    fn pieces(self) -> impl Iterator<Item = Bytes> + Send + 'static {
        let rest = Bytes::from(vec![b'x'; PIECE.min(self.size)]);
        (0..self.size).step_by(PIECE).map(move |at| {
            let length = PIECE.min(self.size - at);
            if at > 0 {
                return rest.slice(..length);
            }
            let mut first = self.id.simple().to_string().into_bytes();
            first.resize(length, b'x');
            Bytes::from(first)
        })
    }

    fn sha256(self) -> String {
        let mut hasher = Hasher::default();
        self.pieces().for_each(|piece| hasher.update(&piece));
        let digest = hasher.finish();
        digest.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Announces so many files of that size, and sends them.
pub async fn stage(installation: &Installation, size: usize, files: usize) -> Result<Vec<Staged>> {
    let client = installation.depot.client("bench", Role::Writer);
    let items = visible_items(installation, files.div_ceil(FILES_OF_AN_ITEM) as u64).await?;
    let uploads = (0..files).map(|number| {
        // Not one item after the other: those that upload at the same time are different users.
        let item = &items[number % items.len()];
        stage_one(&client, item, Content::new(size))
    });
    stream::iter(uploads)
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

async fn stage_one(client: &Client, item: &str, content: Content) -> Result<Staged> {
    let sha256 = tokio::task::spawn_blocking(move || content.sha256()).await?;
    let announced = client
        .request_upload(item, "bench.bin", content.size, &sha256)
        .await?;
    ensure!(announced.status.as_u16() == 201, "announce: {announced:?}");
    let (id, upload) = (announced.text("id"), announced.json());
    let body = reqwest::Body::wrap_stream(stream::iter(content.pieces().map(std::io::Result::Ok)));
    let put = client.put_presigned_stream(&upload, content.size, body).await?;
    ensure!(put.status.is_success(), "put: {put:?}");
    // https://host/<bucket>/<key>?<signature>
    let url = upload["url"].as_str().context("no url")?;
    let path = url.split('?').next().unwrap_or(url);
    let key = path.splitn(5, '/').nth(4).context("a key in the URL")?;
    Ok(Staged {
        id,
        key: key.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_has_its_size_and_is_like_no_other() {
        for size in [1, 32, PIECE, PIECE + 1, 3 * PIECE] {
            let pieces: usize = Content::new(size).pieces().map(|piece| piece.len()).sum();
            assert_eq!(pieces, size);
        }
        let content = Content::new(PIECE + 1);
        assert_eq!(content.sha256(), content.sha256());
        assert_ne!(content.sha256(), Content::new(PIECE + 1).sha256());
    }
}
