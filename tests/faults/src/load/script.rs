//! A course of commands that certainly comes by each place where something can be done wrong: what chance does often is
//! done here in any case, before the load begins. Some commands bear a mark, for breaks that are to befall these alone.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use rand::{SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

use super::{Actor, PATIENT, World, items::Patch, new_key, uploads::filled};
use crate::client::Client;

/// More changes of one item than seconds pass meanwhile.
const CHANGES: usize = 12;
/// What a healthy installation takes for an upload, many times over.
const UPLOADED_WITHIN: Duration = Duration::from_secs(15);
/// From the news that a file is removed to the moment at which its object's deletion is decided, and begun.
const DECIDED_WITHIN: Duration = Duration::from_secs(2);

/// Plays it to its end. Nothing of it fails: what goes wrong is seen by the check.
pub async fn play(world: &Arc<World>, client_of: impl Fn(&str) -> Result<Client>) -> Result<()> {
    let actor = |subject: &str| -> Result<Actor> {
        Ok(Actor::new(world, client_of(subject)?, StdRng::seed_from_u64(0)))
    };
    let mut owner = actor("scripted")?;
    owner.commands_with_a_mark().await;
    owner.changes_of_one_item().await;
    owner.reads_right_after_writes().await;
    owner.files_by_other_ways().await;
    owner.a_picture().await;
    // Of both, the first question goes to the same instance, and so does the second.
    let (reader, stranger) = (actor("scripted")?, actor("stranger")?);
    owner.content_that_two_share(&reader, &stranger).await;
    owner.content_that_comes_again().await;
    Ok(())
}

/// What a break with that name looks for.
fn mark(name: &str) -> String {
    format!("marked-{name}-{}", Uuid::new_v4())
}

impl Actor {
    /// One of each kind of command under a key that is marked; and what is marked in its content.
    async fn commands_with_a_mark(&mut self) {
        self.create_as(mark("lost"), new_key(), PATIENT, false).await;
        if let Some((item, version)) = self.create_as(new_key(), new_key(), PATIENT, false).await {
            let patch = Patch {
                key: Some(mark("lost")),
                ..patch_of(version)
            };
            self.patch(item, &patch).await;
            let content = filled("given up", 500);
            let announced = self.announce(item, new_key(), &content, PATIENT).await;
            if let Some((upload, _)) = announced {
                self.abort(item, upload, Some(mark("lost"))).await;
            }
            self.delete(item, None, Some(mark("lost"))).await;
        }
        for name in ["let-go-early", "unpublished", "view-offset-first"] {
            self.create_as(new_key(), mark(name), PATIENT, false).await;
        }
        if let Some((item, _)) = self.create_as(new_key(), new_key(), PATIENT, false).await {
            self.upload_as(item, mark("offset-first"), &filled("marked", 500))
                .await;
        }
    }

    /// The same command twice, many changes in a row, and two that go by the same version.
    async fn changes_of_one_item(&self) {
        let Some((item, mut version)) = self.create_as(new_key(), new_key(), PATIENT, true).await else {
            return;
        };
        for _ in 0..CHANGES {
            match self.patch(item, &patch_of(version)).await {
                Some(newer) => version = newer,
                None => return,
            }
        }
        let (one, other) = (patch_of(version), patch_of(version));
        tokio::join!(self.patch(item, &one), self.patch(item, &other));
    }

    async fn reads_right_after_writes(&self) {
        let Some((item, version)) = self.create_as(new_key(), new_key(), PATIENT, false).await else {
            return;
        };
        self.read_item(item, version, None).await;
        for held in [None, Some(version)] {
            if let Some(newest) = self.patch(item, &patch_of_any_version()).await {
                self.read_item(item, newest, held).await;
            }
        }
        if let Some(newest) = self.patch(item, &patch_of_any_version()).await {
            self.read_by_grpc(item, newest).await;
        }
    }

    /// In parts, and through the API.
    async fn files_by_other_ways(&mut self) {
        let Some((item, _)) = self.create_as(new_key(), new_key(), PATIENT, false).await else {
            return;
        };
        let content = self.large_content();
        if let Some((upload, announced)) = self.announce(item, new_key(), &content, PATIENT).await
            && self.send_parts(upload, &announced, &content).await
        {
            self.complete(item, upload).await;
        }
        let content = filled(&format!("through the API {}", Uuid::new_v4()), 3_000);
        if let Some((upload, _)) = self.announce(item, new_key(), &content, PATIENT).await {
            self.send_through(item, upload, content).await;
        }
    }

    /// Stored with its thumbnail.
    async fn a_picture(&mut self) {
        let content = self.picture();
        if let Some((item, _)) = self.create_as(new_key(), new_key(), PATIENT, false).await {
            self.upload_as(item, new_key(), &content).await;
        }
    }

    /// Two uploads of one content; its owner reads one of them, and then somebody else does; then one item goes.
    async fn content_that_two_share(&mut self, reader: &Actor, stranger: &Actor) {
        let content = filled(&format!("shared by two {}", Uuid::new_v4()), 3_000);
        let mut items = Vec::new();
        for _ in 0..2 {
            let Some((item, _)) = self.create_as(new_key(), new_key(), PATIENT, false).await else {
                return;
            };
            items.push(item);
            let upload = self.upload_as(item, new_key(), &content).await;
            for _ in 0..4 {
                let Some((upload, version)) = upload else { continue };
                reader.read_upload(upload, version).await;
                stranger.read_of_another(upload).await;
            }
        }
        self.delete(items[0], None, Some(new_key())).await;
    }

    /// A content that comes again while its object is being deleted.
    async fn content_that_comes_again(&mut self) {
        let content = filled(&format!("comes again {}", Uuid::new_v4()), 3_000);
        let Some((item, _)) = self.create_as(new_key(), new_key(), PATIENT, false).await else {
            return;
        };
        let Some((next, _)) = self.create_as(new_key(), new_key(), PATIENT, false).await else {
            return;
        };
        let Some((upload, _)) = self.upload_as(item, new_key(), &content).await else {
            return;
        };
        self.delete(item, None, Some(new_key())).await;
        self.wait_for(upload, "removed").await;
        tokio::time::sleep(DECIDED_WITHIN).await;
        self.upload_as(next, new_key(), &content).await;
    }

    /// Sends and completes, and waits until it is stored, or long enough; answers the version of the completion.
    async fn upload_as(&self, item: Uuid, marker: String, content: &[u8]) -> Option<(Uuid, i64)> {
        let (upload, announced) = self.announce(item, marker, content, PATIENT).await?;
        if !self.send(upload, &announced, content).await {
            return None;
        }
        let version = self.complete(item, upload).await?;
        self.wait_for(upload, "stored").await;
        Some((upload, version))
    }

    async fn wait_for(&self, upload: Uuid, status: &str) {
        let path = format!("/api/v1/uploads/{upload}");
        let come = async {
            while !Client::send(self.client.query(&path))
                .await
                .is_ok_and(|answer| answer.text("status") == status)
            {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        // The check tells of what does not come.
        _ = tokio::time::timeout(UPLOADED_WITHIN, come).await;
    }
}

/// With a key of its own, whatever version there is.
fn patch_of_any_version() -> Patch {
    Patch {
        key: Some(new_key()),
        marker: new_key(),
        known: None,
        attempts: PATIENT,
        again: true,
    }
}

/// As that, by this version.
fn patch_of(version: i64) -> Patch {
    Patch {
        known: Some(version),
        ..patch_of_any_version()
    }
}
