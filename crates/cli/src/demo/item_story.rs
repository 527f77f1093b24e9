use anyhow::ensure;
use depot_schemas::EventType;
use reqwest::Method;
use serde_json::json;

use super::{
    api::{Api, Versioned},
    grpc::Grpc,
    hops::Hops,
    log::Log,
};

/// Creates two items and changes one; answers the id of the one that was changed.
pub async fn tell(hops: &mut Hops, api: &Api, grpc: &mut Grpc, log: &Log) -> anyhow::Result<String> {
    let item = hops
        .run(
            "command-api",
            "item created: command accepted",
            create(api, "A bicycle"),
        )
        .await?;
    let id = item.text("id")?.to_owned();
    let path = format!("/api/v1/items/{id}");
    hops.run(
        "command-api's relay",
        "item created: in Kafka",
        log.wait_for(EventType::ItemCreated, &id),
    )
    .await?;
    hops.run(
        "projector",
        "item created: in the view, over REST",
        api.read(&path, &item.version),
    )
    .await?;
    hops.run(
        "query-api",
        "item created: in the view, over gRPC",
        grpc.item(&id, &item.version),
    )
    .await?;

    hops.run(
        "command-api",
        "second item created: command accepted",
        create(api, "A tandem"),
    )
    .await?;

    let patch = json!({"description": "blue, three gears", "tags": ["bicycle", "blue"], "status": "active"});
    let change = api.command(Method::PATCH, &path, Some(patch), Some(&item.version));
    let changed = hops
        .run("command-api", "item changed: command accepted", change)
        .await?;
    hops.run(
        "command-api's relay",
        "item changed: in Kafka",
        log.wait_for(EventType::ItemUpdated, &id),
    )
    .await?;
    let seen = hops
        .run(
            "projector",
            "item changed: in the view, over REST",
            api.read(&path, &changed.version),
        )
        .await?;
    ensure!(
        seen.text("description")? == "blue, three gears",
        "the view shows {}",
        seen.body
    );
    let seen = hops
        .run(
            "query-api",
            "item changed: in the view, over gRPC",
            grpc.item(&id, &changed.version),
        )
        .await?;
    ensure!(seen.description == "blue, three gears", "gRPC shows {seen:?}");

    let listed = hops
        .run(
            "query-api",
            "item found in the list by its tag",
            api.list("/api/v1/items?tag=blue"),
        )
        .await?;
    let ids = listed["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| &item["id"]);
    ensure!(
        ids.into_iter().any(|listed| listed == &json!(id)),
        "the list does not show the item: {listed}"
    );
    Ok(id)
}

async fn create(api: &Api, name: &str) -> anyhow::Result<Versioned> {
    let body = json!({"name": name, "description": "made by the demo", "tags": ["bicycle"]});
    api.command(Method::POST, "/api/v1/items", Some(body), None).await
}
