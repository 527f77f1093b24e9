//! Uploads: announce a file, sign its parts, say that its bytes are there, give it up.

use depot_domain::{ItemId, UploadId};
use depot_proto::v1;
use depot_service::problem::Problem;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{CommandDesk, convert, door::Given, method, read::Faults};
use crate::{
    announcement::{self, Announcement},
    commands::{AbortUpload, CompleteUpload, Precondition, UploadAnswer},
    execution::{Answer, error},
    multipart::{self, AskedParts},
};

/// Its fields are those of the message.
const MESSAGE: &str = "";

pub async fn request(
    desk: &CommandDesk,
    request: Request<v1::RequestUploadRequest>,
) -> Result<Response<v1::RequestUploadResponse>, Status> {
    let given = Given::of(desk, &request, method::REQUEST_UPLOAD).await?;
    let message = request.into_inner();
    let answering = async {
        given.require_key()?;
        let identity = given.identity(&message);
        let mut faults = Faults::default();
        let item_id = faults.id("item_id", &message.item_id);
        let announced = faults.all(announcement::parse(
            &desk.announcements.accepted,
            // Any, where there is none: what is announced for it is not used.
            item_id.unwrap_or(ItemId(Uuid::nil())),
            message.file_name,
            message.content_type,
            message.size_bytes,
            message.sha256,
        ));
        let announced = faults.finish(announced)?;
        let announced = desk.announcements.announce(given.actor.clone(), announced).await;
        let Announcement { command, put } = announced.map_err(|error| Problem::internal(&error))?;
        let requested =
            move |answer: UploadAnswer| Answer::message(&convert::requested(&answer, put.as_ref()));
        desk.executor.run(identity, command, requested).await
    };
    given.answered(answering, MESSAGE).await
}

pub async fn sign_parts(
    desk: &CommandDesk,
    request: Request<v1::SignPartsRequest>,
) -> Result<Response<v1::SignPartsResponse>, Status> {
    let given = Given::of(desk, &request, method::SIGN_PARTS).await?;
    let message = request.into_inner();
    let signing = async {
        let (id, precondition) = read("upload_id", &message.upload_id, &message.expected_version)?;
        let asked = AskedParts {
            actor: given.actor.clone(),
            id,
            precondition,
            first: message.first,
            count: message.count,
        };
        let (staging, lifetime) = (
            &desk.announcements.staging,
            desk.announcements.policy.url_lifetime,
        );
        let signed = multipart::sign(&desk.writer, staging, lifetime, asked).await;
        signed.map_err(|error| error::unsigned(&error))
    };
    let signed = given.in_time(signing, MESSAGE).await?;
    Ok(Response::new(convert::signed_parts(signed)))
}

pub async fn complete(
    desk: &CommandDesk,
    request: Request<v1::CompleteUploadRequest>,
) -> Result<Response<v1::Upload>, Status> {
    let given = Given::of(desk, &request, method::COMPLETE_UPLOAD).await?;
    let message = request.into_inner();
    let answering = async {
        let (id, precondition) = read("id", &message.id, &message.expected_version)?;
        let command = CompleteUpload {
            actor: given.actor.clone(),
            id,
            precondition,
        };
        desk.executor.run(given.identity(&message), command, upload).await
    };
    given.answered(answering, MESSAGE).await
}

pub async fn abort(
    desk: &CommandDesk,
    request: Request<v1::AbortUploadRequest>,
) -> Result<Response<v1::Upload>, Status> {
    let given = Given::of(desk, &request, method::ABORT_UPLOAD).await?;
    let message = request.into_inner();
    let answering = async {
        let (id, precondition) = read("id", &message.id, &message.expected_version)?;
        let command = AbortUpload {
            actor: given.actor.clone(),
            id,
            precondition,
        };
        desk.executor.run(given.identity(&message), command, upload).await
    };
    given.answered(answering, MESSAGE).await
}

/// Which upload is meant, in which version, if one is named.
fn read(field: &str, id: &str, expected_version: &str) -> Result<(UploadId, Precondition), Problem> {
    let mut faults = Faults::default();
    let id = faults.id(field, id);
    let precondition = faults.expected_version(expected_version);
    faults.finish(id.zip(precondition))
}

fn upload(answer: UploadAnswer) -> Answer {
    Answer::message(&convert::upload(&answer))
}
