//! Views as messages.

use depot_domain::VersionToken;
use depot_grpc::values::{object, timestamp};
use depot_proto::v1;
use depot_read_model::{AttachedFile, ItemView, OwnerStatistics, TagStatistics, ThumbnailView, UploadView};

use crate::read::rows::HistoryRow;

pub fn item(view: ItemView, version: VersionToken) -> v1::Item {
    v1::Item {
        id: view.id.to_string(),
        owner: view.owner,
        name: view.name,
        description: view.description,
        tags: view.tags,
        attributes: Some(object(view.attributes)),
        status: item_status(&view.status).into(),
        files: view.files.into_iter().map(file).collect(),
        version: version.to_string(),
        created_at: Some(timestamp(view.created_at)),
        updated_at: Some(timestamp(view.updated_at)),
    }
}

fn file(file: AttachedFile) -> v1::File {
    v1::File {
        upload_id: file.upload_id.to_string(),
        file_name: file.file_name,
        content_type: file.content_type,
        size_bytes: file.size_bytes,
        sha256: file.sha256,
    }
}

pub fn change(row: HistoryRow) -> v1::ItemChange {
    let version = row.version();
    v1::ItemChange {
        item_id: row.item_id.to_string(),
        version: version.to_string(),
        event_id: row.event_id.to_string(),
        event_type: row.event_type,
        causation_id: row.causation_id.to_string(),
        actor: row.actor,
        changed: row.changed,
        occurred_at: Some(timestamp(row.occurred_at)),
        deleted: row.item.deleted,
        item: Some(item(row.item.0.into(), version)),
    }
}

pub fn upload(view: UploadView, version: VersionToken) -> v1::Upload {
    v1::Upload {
        id: view.id.to_string(),
        item_id: view.item_id.to_string(),
        owner: view.owner,
        file_name: view.file_name,
        content_type: view.content_type,
        size_bytes: view.size_bytes,
        sha256: view.sha256,
        status: upload_status(&view.status).into(),
        reason: view.reason.unwrap_or_default(),
        version: version.to_string(),
        created_at: Some(timestamp(view.created_at)),
        updated_at: Some(timestamp(view.updated_at)),
        expires_at: Some(timestamp(view.expires_at)),
        thumbnail: view.thumbnail.map(thumbnail),
    }
}

fn thumbnail(view: ThumbnailView) -> v1::Thumbnail {
    v1::Thumbnail {
        content_type: view.content_type,
        width: view.width,
        height: view.height,
        size_bytes: view.size_bytes,
    }
}

pub fn tag(row: TagStatistics) -> v1::TagStatistics {
    v1::TagStatistics {
        tag: row.tag,
        items: row.items,
    }
}

pub fn owner(row: OwnerStatistics) -> v1::OwnerStatistics {
    v1::OwnerStatistics {
        owner: row.owner,
        items: row.items,
        files: row.files,
        file_bytes: row.file_bytes,
    }
}

/// A status of a later version of the events is unspecified to clients of this one.
fn item_status(status: &str) -> v1::ItemStatus {
    match status {
        "draft" => v1::ItemStatus::Draft,
        "active" => v1::ItemStatus::Active,
        "archived" => v1::ItemStatus::Archived,
        _ => v1::ItemStatus::Unspecified,
    }
}

fn upload_status(status: &str) -> v1::UploadStatus {
    match status {
        "pending" => v1::UploadStatus::Pending,
        "received" => v1::UploadStatus::Received,
        "stored" => v1::UploadStatus::Stored,
        "rejected" => v1::UploadStatus::Rejected,
        "expired" => v1::UploadStatus::Expired,
        "aborted" => v1::UploadStatus::Aborted,
        "removed" => v1::UploadStatus::Removed,
        _ => v1::UploadStatus::Unspecified,
    }
}
