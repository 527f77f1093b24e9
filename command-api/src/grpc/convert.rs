//! Items and uploads as messages.

use depot_domain::{FileRef, ItemStatus, PartPlan, Thumbnail, UploadStatus};
use depot_grpc::values::{object, timestamp};
use depot_proto::v1::{self, request_upload_response::Method};

use crate::{
    commands::{ItemAnswer, UploadAnswer},
    multipart::{SignedPart, SignedParts},
    staging::SignedPut,
};

pub fn item(answer: &ItemAnswer) -> v1::Item {
    let (item, content) = (&answer.item, &answer.item.content);
    v1::Item {
        id: item.id.to_string(),
        owner: item.owner.as_str().to_owned(),
        name: content.name.as_str().to_owned(),
        description: content.description.as_str().to_owned(),
        tags: content.tags.as_slice().to_vec(),
        attributes: Some(object(content.attributes.as_map().clone())),
        status: item_status(content.status).into(),
        files: item.files.iter().map(file).collect(),
        version: answer.version.to_string(),
        created_at: Some(timestamp(item.created_at)),
        updated_at: Some(timestamp(item.updated_at)),
    }
}

fn file(file: &FileRef) -> v1::File {
    v1::File {
        upload_id: file.upload_id.to_string(),
        file_name: file.file_name.as_str().to_owned(),
        content_type: file.content_type.as_str().to_owned(),
        size_bytes: file.size_bytes.get(),
        sha256: file.sha256.as_str().to_owned(),
    }
}

pub fn upload(answer: &UploadAnswer) -> v1::Upload {
    let (upload, request) = (&answer.upload, &answer.upload.request);
    v1::Upload {
        id: upload.id.to_string(),
        item_id: request.item_id.to_string(),
        owner: upload.owner.as_str().to_owned(),
        file_name: request.file_name.as_str().to_owned(),
        content_type: request.content_type.as_str().to_owned(),
        size_bytes: request.size_bytes.get(),
        sha256: request.sha256.as_str().to_owned(),
        status: upload_status(upload.status).into(),
        reason: upload.reason.clone().unwrap_or_default(),
        version: answer.version.to_string(),
        created_at: Some(timestamp(upload.created_at)),
        updated_at: Some(timestamp(upload.updated_at)),
        expires_at: Some(timestamp(upload.expires_at)),
        thumbnail: upload.thumbnail.as_ref().map(thumbnail),
    }
}

/// An upload that was announced, and the PUT that sends it whole, if it is sent whole.
pub fn requested(answer: &UploadAnswer, put: Option<&SignedPut>) -> v1::RequestUploadResponse {
    let parts = || answer.upload.parts().as_ref().map(part_plan).map(Method::Parts);
    v1::RequestUploadResponse {
        upload: Some(upload(answer)),
        method: put.cloned().map(signed_put).map(Method::Put).or_else(parts),
    }
}

fn part_plan(plan: &PartPlan) -> v1::PartPlan {
    v1::PartPlan {
        part_size_bytes: plan.part_size_bytes(),
        part_count: plan.count(),
    }
}

pub fn signed_parts(signed: SignedParts) -> v1::SignPartsResponse {
    v1::SignPartsResponse {
        parts: signed.parts.into_iter().map(signed_part).collect(),
        expires_at: Some(timestamp(signed.expires_at)),
    }
}

fn signed_part(part: SignedPart) -> v1::SignedPart {
    v1::SignedPart {
        number: part.number,
        offset_bytes: part.offset_bytes,
        size_bytes: part.size_bytes,
        put: Some(signed_put(part.put)),
    }
}

fn signed_put(put: SignedPut) -> v1::SignedPut {
    v1::SignedPut {
        url: put.url,
        headers: put.headers.into_iter().collect(),
    }
}

fn item_status(status: ItemStatus) -> v1::ItemStatus {
    match status {
        ItemStatus::Draft => v1::ItemStatus::Draft,
        ItemStatus::Active => v1::ItemStatus::Active,
        ItemStatus::Archived => v1::ItemStatus::Archived,
    }
}

fn upload_status(status: UploadStatus) -> v1::UploadStatus {
    match status {
        UploadStatus::Pending => v1::UploadStatus::Pending,
        UploadStatus::Received => v1::UploadStatus::Received,
        UploadStatus::Stored => v1::UploadStatus::Stored,
        UploadStatus::Rejected => v1::UploadStatus::Rejected,
        UploadStatus::Expired => v1::UploadStatus::Expired,
        UploadStatus::Aborted => v1::UploadStatus::Aborted,
        UploadStatus::Removed => v1::UploadStatus::Removed,
    }
}

fn thumbnail(thumbnail: &Thumbnail) -> v1::Thumbnail {
    v1::Thumbnail {
        content_type: thumbnail.content_type.as_str().to_owned(),
        width: thumbnail.width,
        height: thumbnail.height,
        size_bytes: thumbnail.size_bytes.get(),
    }
}
