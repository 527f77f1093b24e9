//! Items: create, update, patch, delete.

use depot_proto::v1;
use tonic::{Request, Response, Status};

use super::{
    CommandDesk, convert,
    door::Given,
    method,
    read::{self, Faults},
};
use crate::{
    commands::{CreateItem, DeleteItem, ItemAnswer, PatchItem, ReplaceItem},
    execution::Answer,
};

/// The field whose parts a problem's pointers name.
const ITEM: &str = "item";

pub async fn create(
    desk: &CommandDesk,
    request: Request<v1::CreateItemRequest>,
) -> Result<Response<v1::Item>, Status> {
    let given = Given::of(desk, &request, method::CREATE_ITEM).await?;
    let message = request.into_inner();
    let answering = async {
        given.require_key()?;
        let identity = given.identity(&message);
        let mut faults = Faults::default();
        let content = faults.all(read::content(message.item));
        let command = CreateItem {
            actor: given.actor.clone(),
            content: faults.finish(content)?,
        };
        desk.executor.run_together(identity, command, item).await
    };
    given.answered(answering, ITEM).await
}

pub async fn update(
    desk: &CommandDesk,
    request: Request<v1::UpdateItemRequest>,
) -> Result<Response<v1::Item>, Status> {
    let given = Given::of(desk, &request, method::UPDATE_ITEM).await?;
    let message = request.into_inner();
    let answering = async {
        let identity = given.identity(&message);
        let mut faults = Faults::default();
        let id = faults.id("id", &message.id);
        let precondition = faults.expected_version(&message.expected_version);
        let content = faults.all(read::content(message.item));
        let (id, precondition, content) = faults.finish(three(id, precondition, content))?;
        let command = ReplaceItem {
            actor: given.actor.clone(),
            id,
            precondition: read::required(precondition)?,
            content,
        };
        desk.executor.run_together(identity, command, item).await
    };
    given.answered(answering, ITEM).await
}

pub async fn patch(
    desk: &CommandDesk,
    request: Request<v1::PatchItemRequest>,
) -> Result<Response<v1::Item>, Status> {
    let given = Given::of(desk, &request, method::PATCH_ITEM).await?;
    let message = request.into_inner();
    let answering = async {
        let identity = given.identity(&message);
        let mut faults = Faults::default();
        let id = faults.id("id", &message.id);
        let precondition = faults.expected_version(&message.expected_version);
        let patch = faults.all(read::patch(message.item, message.update_mask));
        let (id, precondition, patch) = faults.finish(three(id, precondition, patch))?;
        let command = PatchItem {
            actor: given.actor.clone(),
            id,
            precondition: read::required(precondition)?,
            patch,
        };
        desk.executor.run_together(identity, command, item).await
    };
    given.answered(answering, ITEM).await
}

pub async fn delete(
    desk: &CommandDesk,
    request: Request<v1::DeleteItemRequest>,
) -> Result<Response<v1::DeleteItemResponse>, Status> {
    let given = Given::of(desk, &request, method::DELETE_ITEM).await?;
    let message = request.into_inner();
    let answering = async {
        let mut faults = Faults::default();
        let id = faults.id("id", &message.id);
        let precondition = faults.expected_version(&message.expected_version);
        let (id, precondition) = faults.finish(id.zip(precondition))?;
        let command = DeleteItem {
            actor: given.actor.clone(),
            id,
            precondition: read::required(precondition)?,
        };
        let deleted = |answer: ItemAnswer| {
            let version = answer.version.to_string();
            Answer::message(&v1::DeleteItemResponse { version })
        };
        desk.executor
            .run(given.identity(&message), command, deleted)
            .await
    };
    given.answered(answering, ITEM).await
}

fn item(answer: ItemAnswer) -> Answer {
    Answer::message(&convert::item(&answer))
}

fn three<A, B, C>(a: Option<A>, b: Option<B>, c: Option<C>) -> Option<(A, B, C)> {
    Some((a?, b?, c?))
}
