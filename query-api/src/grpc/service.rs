//! `depot.v1.QueryService`.

use std::{collections::HashSet, pin::Pin, sync::Arc};

use depot_domain::{ItemId, ItemStatus};
use depot_grpc::{Call, Fields, values::timestamp};
use depot_object_store::Disposition;
use depot_proto::v1::{
    self,
    batch_get_items_response::{Deleted, NotFound, Result as BatchResult, result::Outcome},
    query_service_server::QueryService,
};
use depot_service::auth::Door;
use futures::{Stream, StreamExt as _, stream};
use tokio::time::sleep_until;
use tonic::{Request, Response, Status};

use super::{convert, fields::QuestionFields as _, status};
use crate::{
    queries::{
        self, BatchOutcome, ListItems, MAX_BATCH, MAX_WATCHED_IDS, Queries, StreamDoor, WantedItem,
        WatchFilter, WatchRequest,
    },
    read::item_pages::{ItemFilter, ItemSort},
    visibility::AtLeast,
};

/// Translates calls to questions.
#[derive(Debug, Clone)]
pub struct QueryRpc {
    pub queries: Queries,
    pub door: Arc<Door>,
}

#[tonic::async_trait]
impl QueryService for QueryRpc {
    async fn get_item(&self, request: Request<v1::GetItemRequest>) -> Result<Response<v1::Item>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        let id = fields.id("id", &message.id);
        let at_least = fields.at_least(message.at_least, &call);
        let id = fields.finish(id)?;
        let held = queries::get_item(&self.queries, &call.principal, id, at_least)
            .await
            .map_err(status::of)?;
        let version = held.entry.version;
        let view = queries::item_view(&held).map_err(status::of)?;
        // `get_item` answers with a live item only.
        let view = view.ok_or_else(|| Status::internal("a live item has no representation"))?;
        Ok(Response::new(convert::item(view, version)))
    }

    async fn batch_get_items(
        &self,
        request: Request<v1::BatchGetItemsRequest>,
    ) -> Result<Response<v1::BatchGetItemsResponse>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let message = request.into_inner();
        let wanted = parse_batch(&message, &call)?;
        let outcomes = queries::batch_get_items(&self.queries, &call.principal, &wanted)
            .await
            .map_err(status::of)?;
        let results = wanted.iter().zip(outcomes).map(|(wanted, outcome)| {
            let outcome = match outcome {
                BatchOutcome::Found(view, version) => Outcome::Item(convert::item(*view, version)),
                BatchOutcome::Deleted(version) => Outcome::Deleted(Deleted {
                    version: version.to_string(),
                }),
                BatchOutcome::NotFound => Outcome::NotFound(NotFound {}),
            };
            BatchResult {
                id: wanted.id.to_string(),
                outcome: Some(outcome),
            }
        });
        Ok(Response::new(v1::BatchGetItemsResponse {
            results: results.collect(),
        }))
    }

    async fn list_items(
        &self,
        request: Request<v1::ListItemsRequest>,
    ) -> Result<Response<v1::ListItemsResponse>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let list = parse_list(request.into_inner())?;
        let page = queries::list_items(&self.queries, &call.principal, &list)
            .await
            .map_err(status::of)?;
        let items = page.items.into_iter().map(|row| {
            let version = row.version();
            convert::item(row.into_view(), version)
        });
        Ok(Response::new(v1::ListItemsResponse {
            items: items.collect(),
            next_page_token: page.next_cursor.unwrap_or_default(),
        }))
    }

    async fn get_item_history(
        &self,
        request: Request<v1::GetItemHistoryRequest>,
    ) -> Result<Response<v1::GetItemHistoryResponse>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        let id = fields.id("item_id", &message.item_id);
        let at_least = fields.at_least(message.at_least, &call);
        let limit = fields.page_size(message.page_size);
        let id = fields.finish(id)?;
        let cursor = Some(message.page_token.as_str()).filter(|token| !token.is_empty());
        let page = queries::item_history(&self.queries, &call.principal, id, at_least, limit, cursor)
            .await
            .map_err(status::of)?;
        Ok(Response::new(v1::GetItemHistoryResponse {
            changes: page.changes.into_iter().map(convert::change).collect(),
            next_page_token: page.next_cursor.unwrap_or_default(),
        }))
    }

    async fn get_upload(
        &self,
        request: Request<v1::GetUploadRequest>,
    ) -> Result<Response<v1::Upload>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        let id = fields.id("id", &message.id);
        let at_least = fields.at_least(message.at_least, &call);
        let id = fields.finish(id)?;
        let held = queries::get_upload(&self.queries, &call.principal, id, at_least)
            .await
            .map_err(status::of)?;
        let view = queries::upload_view(&held).map_err(status::of)?;
        Ok(Response::new(convert::upload(view, held.entry.version)))
    }

    async fn get_download_url(
        &self,
        request: Request<v1::GetDownloadUrlRequest>,
    ) -> Result<Response<v1::GetDownloadUrlResponse>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let message = request.into_inner();
        let mut fields = Fields::default();
        let id = fields.id("upload_id", &message.upload_id);
        let at_least = fields.at_least(message.at_least, &call);
        let id = fields.finish(id)?;
        let disposition = match message.inline {
            true => Disposition::Inline,
            false => Disposition::Attachment,
        };
        let download = queries::download(&self.queries, &call.principal, id, at_least, disposition)
            .await
            .map_err(status::of)?;
        let expires_at = Some(timestamp(download.expires_at));
        Ok(Response::new(v1::GetDownloadUrlResponse {
            url: download.url,
            expires_at,
        }))
    }

    async fn get_statistics(
        &self,
        request: Request<v1::GetStatisticsRequest>,
    ) -> Result<Response<v1::GetStatisticsResponse>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let mut fields = Fields::default();
        let limit = fields.limit(request.get_ref().limit);
        let limit = fields.finish(Some(limit))?;
        let found = queries::statistics(&self.queries, &call.principal, limit)
            .await
            .map_err(status::of)?;
        Ok(Response::new(v1::GetStatisticsResponse {
            tags: found.tags.into_iter().map(convert::tag).collect(),
            owners: found.owners.into_iter().map(convert::owner).collect(),
        }))
    }

    type WatchItemsStream = Pin<Box<dyn Stream<Item = Result<v1::WatchItemsResponse, Status>> + Send>>;

    async fn watch_items(
        &self,
        request: Request<v1::WatchItemsRequest>,
    ) -> Result<Response<Self::WatchItemsStream>, Status> {
        let call = Call::of(&self.door, &request).await?;
        let message = request.into_inner();
        let resume_token = Some(message.resume_token.clone()).filter(|token| !token.is_empty());
        let request = WatchRequest {
            door: StreamDoor::Grpc,
            filter: parse_watch(message)?,
            resume_token,
            time_left: self.door.verifier().time_left(&call.principal),
        };
        let changes = queries::watch_items(&self.queries, &call.principal, request)
            .await
            .map_err(status::of)?;
        let messages = changes.map(|message| match message {
            Ok(message) => Ok(v1::WatchItemsResponse {
                resume_token: message.resume_token,
                change: message.change.map(convert::change),
            }),
            Err(end) => Err(status::of_end(end)),
        });
        let Some(deadline) = call.deadline else {
            return Ok(Response::new(Box::pin(messages)));
        };
        // The end of the call's time is its last message.
        let over = stream::once(async { Err(Status::deadline_exceeded("the call's time is over")) });
        Ok(Response::new(Box::pin(
            messages.take_until(sleep_until(deadline)).chain(over),
        )))
    }
}

fn parse_batch(message: &v1::BatchGetItemsRequest, call: &Call) -> Result<Vec<WantedItem>, Status> {
    let mut fields = Fields::default();
    if message.ids.is_empty() || message.ids.len() > MAX_BATCH {
        fields.fault(
            "ids",
            format!("has {} ids: give 1 to {MAX_BATCH}", message.ids.len()),
        );
        return fields.finish(None);
    }
    let wait = fields.wait("wait", message.wait, call);
    let mut wanted = Vec::with_capacity(message.ids.len());
    for (index, text) in message.ids.iter().enumerate() {
        let id: Option<ItemId> = fields.id(&format!("ids[{index}]"), text);
        let field = format!("min_versions[{text}]");
        let version = message
            .min_versions
            .get(text)
            .and_then(|version| fields.version(&field, version));
        wanted.extend(id.map(|id| WantedItem {
            id,
            at_least: version.map(|version| AtLeast { version, wait }),
        }));
    }
    for id in message.min_versions.keys().filter(|id| !message.ids.contains(id)) {
        let shown: String = id.chars().take(60).collect();
        fields.fault(
            "min_versions",
            format!("names `{shown}`, which is not among the ids"),
        );
    }
    fields.finish(Some(wanted))
}

fn parse_list(message: v1::ListItemsRequest) -> Result<ListItems, Status> {
    let mut fields = Fields::default();
    let mut tags = Vec::new();
    for (index, tag) in message.tags.iter().enumerate().take(21) {
        tags.extend(fields.take(&format!("tags[{index}]"), queries::parse_tag(tag)));
    }
    if message.tags.len() > 20 {
        fields.fault("tags", "has more than 20 tags: no item has that many");
    }
    let owner = fields.optional("owner", &message.owner, queries::parse_owner);
    let status = match v1::ItemStatus::try_from(message.status) {
        Ok(v1::ItemStatus::Unspecified) => None,
        Ok(v1::ItemStatus::Draft) => Some(ItemStatus::Draft),
        Ok(v1::ItemStatus::Active) => Some(ItemStatus::Active),
        Ok(v1::ItemStatus::Archived) => Some(ItemStatus::Archived),
        Err(_) => {
            fields.fault("status", "is no status");
            None
        }
    };
    let created_from = fields.time("created_from", message.created_from);
    let created_to = fields.time("created_to", message.created_to);
    if created_from.zip(created_to).is_some_and(|(from, to)| from > to) {
        fields.fault("created_to", "is before created_from");
    }
    let text = fields.optional("query", &message.query, queries::parse_text);
    let sort = match v1::ItemSort::try_from(message.sort) {
        Ok(v1::ItemSort::Unspecified | v1::ItemSort::CreatedAtDesc) => Some(ItemSort::CreatedAtDescending),
        Ok(v1::ItemSort::CreatedAt) => Some(ItemSort::CreatedAt),
        Ok(v1::ItemSort::UpdatedAt) => Some(ItemSort::UpdatedAt),
        Ok(v1::ItemSort::UpdatedAtDesc) => Some(ItemSort::UpdatedAtDescending),
        Ok(v1::ItemSort::Name) => Some(ItemSort::Name),
        Ok(v1::ItemSort::NameDesc) => Some(ItemSort::NameDescending),
        Err(_) => {
            fields.fault("sort", "is no sort");
            None
        }
    };
    let limit = fields.page_size(message.page_size);
    let sort = fields.finish(sort)?;
    Ok(ListItems {
        filter: ItemFilter {
            tags,
            owner,
            status,
            created_from,
            created_to,
            text,
        },
        sort,
        limit,
        cursor: Some(message.page_token).filter(|token| !token.is_empty()),
    })
}

fn parse_watch(message: v1::WatchItemsRequest) -> Result<WatchFilter, Status> {
    let mut fields = Fields::default();
    if message.ids.len() > MAX_WATCHED_IDS {
        fields.fault(
            "ids",
            format!("has {} ids: give at most {MAX_WATCHED_IDS}", message.ids.len()),
        );
        return fields.finish(None);
    }
    let mut ids = HashSet::with_capacity(message.ids.len());
    for (index, id) in message.ids.iter().enumerate() {
        ids.extend(fields.id::<ItemId>(&format!("ids[{index}]"), id).map(|id| id.0));
    }
    let owner = fields.optional("owner", &message.owner, queries::parse_owner);
    let tag = fields.optional("tag", &message.tag, queries::parse_tag);
    fields.finish(Some(WatchFilter { ids, owner, tag }))
}
