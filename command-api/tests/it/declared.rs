//! Commands on a declared aggregate, each in a unit of work as the executor makes one.

use command_api::commands::{
    Actor, ChangeDeclared, CommandError, CreateDeclared, DeclaredAnswer, Precondition, Refusal, UseCase,
};
use depot_domain::{CommandId, InstanceId, Owner};
use depot_test_stack::NOTE;
use serde_json::json;

use crate::service::Service;

fn actor(subject: &str) -> Actor {
    Actor {
        subject: Owner::parse(subject).unwrap(),
        is_admin: false,
    }
}

async fn run<U: UseCase>(service: &Service, use_case: &U) -> Result<U::Answer, CommandError> {
    let mut unit = service.writer.begin(CommandId::generate(), "2s").await.unwrap();
    let answer = use_case.execute(&mut unit).await;
    match &answer {
        Ok(_) => unit.commit().await.unwrap(),
        Err(_) => unit.roll_back().await,
    }
    answer
}

async fn written(service: &Service) -> DeclaredAnswer {
    let create = CreateDeclared {
        actor: actor("alice"),
        of: &NOTE,
        state: NOTE.create(json!({"text": "a"})).unwrap(),
    };
    run(service, &create).await.unwrap()
}

fn close(by: &str, id: InstanceId, precondition: Precondition) -> ChangeDeclared {
    ChangeDeclared {
        actor: actor(by),
        of: &NOTE,
        id,
        precondition,
        command: NOTE.command("close").unwrap(),
        body: json!({}),
    }
}

fn at(version: &str) -> Precondition {
    Precondition::OneOf(vec![version.to_owned()])
}

#[tokio::test]
async fn a_command_writes_the_state_and_its_event_in_the_next_version() {
    let service = Service::start().await;
    let written = written(&service).await;
    let id = written.instance.id;
    assert_eq!(written.version.to_string(), "1");
    let closed = run(&service, &close("alice", id, at("1"))).await.unwrap();
    assert_eq!(closed.version.to_string(), "2");
    let row: (String, String, i64, serde_json::Value) =
        sqlx::query_as("SELECT kind, owner, version, state FROM command.declared_aggregates")
            .fetch_one(&service.pool)
            .await
            .unwrap();
    let state = json!({"text": "a", "closed": true});
    assert_eq!(row, ("note".to_owned(), "alice".to_owned(), 2, state.clone()));

    let events = service.events(id.0).await;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| (event.kind.as_str(), event.version))
        .collect();
    assert_eq!(kinds, [("note.written", 1), ("note.closed", 2)]);
    assert_eq!(events[1].data["aggregate"]["state"], state);
    assert_eq!(
        (&events[1].data["changed"], &events[1].data["actor"]),
        (&json!(["closed"]), &json!("alice"))
    );
    let topics: Vec<String> = sqlx::query_scalar("SELECT DISTINCT topic FROM command.outbox")
        .fetch_all(&service.pool)
        .await
        .unwrap();
    assert!(
        topics.iter().all(|topic| topic.ends_with(".notes.v1")),
        "{topics:?}"
    );
}

#[tokio::test]
async fn what_is_not_allowed_writes_nothing() {
    let service = Service::start().await;
    let id = written(&service).await.instance.id;
    let refused = |error: CommandError| match error {
        CommandError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    };
    let stale = run(&service, &close("alice", id, at("7"))).await.unwrap_err();
    assert!(matches!(refused(stale), Refusal::Stale { current } if current.version == 1));
    let anothers = close("bob", id, Precondition::Exists);
    let forbidden = run(&service, &anothers).await.unwrap_err();
    assert!(matches!(forbidden, CommandError::Forbidden), "{forbidden}");
    let mut conn = service.pool.acquire().await.unwrap();
    assert!(
        anothers.authorize(&mut conn).await.is_err(),
        "nor is a kept answer theirs"
    );
    let unknown = close("alice", InstanceId::generate(), Precondition::Exists);
    let missing = run(&service, &unknown).await.unwrap_err();
    assert!(matches!(
        refused(missing),
        Refusal::DeclaredNotFound { name: "note", .. }
    ));

    run(&service, &close("alice", id, Precondition::Exists))
        .await
        .unwrap();
    let again = run(&service, &close("alice", id, Precondition::Exists))
        .await
        .unwrap_err();
    assert!(matches!(refused(again), Refusal::DeclaredNotNow { version, .. } if version.version == 2));
    assert_eq!(service.events(id.0).await.len(), 2);
}
