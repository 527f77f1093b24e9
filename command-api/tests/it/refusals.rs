//! A command that is refused after it has written something.

use command_api::{
    commands::{Actor, CommandError, CreateItem, Refusal, UnitOfWork, UseCase},
    execution::{Executor, ExecutorSettings, GroupSettings, Identity},
    store::idempotency::Key,
};
use depot_domain::{ItemContent, ItemStatus, Owner};
use depot_service::shutdown::Shutdown;
use serde_json::json;
use sqlx::PgConnection;

use crate::service::Service;

/// Makes an item, and is then refused.
struct TooEarly(CreateItem);

impl UseCase for TooEarly {
    type Answer = ();

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<(), CommandError> {
        self.0.execute(unit).await?;
        Err(Refusal::NoDeadLetter.into())
    }

    async fn authorize(&self, _: &mut PgConnection) -> Result<(), CommandError> {
        Ok(())
    }
}

fn too_early() -> TooEarly {
    let content = ItemContent::parse(
        "a".into(),
        String::new(),
        vec![],
        Default::default(),
        ItemStatus::Draft,
    );
    TooEarly(CreateItem {
        actor: Actor {
            subject: Owner::parse("alice").unwrap(),
            is_admin: false,
        },
        content: content.unwrap(),
    })
}

#[tokio::test]
async fn what_a_refused_command_has_written_is_undone_with_a_key_and_without() {
    let service = Service::start().await;
    let settings = ExecutorSettings {
        max_commands: 8,
        group: GroupSettings {
            max_size: 1,
            lanes: 1,
            max_commands: 1,
        },
        idempotency_ttl_hours: 24,
    };
    let executor = Executor::new(service.writer.clone(), &Shutdown::new(), settings);
    let key = Key {
        principal: "alice".into(),
        route: "POST /x".into(),
        key: "k".into(),
    };
    // The last time it is the kept answer.
    for (key, keys) in [(None, 0), (Some(key.clone()), 1), (Some(key), 1)] {
        let identity = Identity {
            key,
            fingerprint: b"x".to_vec(),
            path: "/x".into(),
        };
        let refused = executor.run(identity, too_early(), |()| unreachable!("it is refused"));
        assert_eq!(refused.await.unwrap().status(), 404);
        let counts = service.counts().await;
        assert_eq!(
            (counts["items"], counts["outbox"], counts["keys"]),
            (0, 0, keys),
            "{counts:?}"
        );
    }
}

#[tokio::test]
async fn an_upload_that_is_refused_makes_no_account() {
    let service = Service::start_with(&[("DEFAULT_QUOTA_BYTES", "100")]).await;
    let item = service.item("alice").await;
    let refused = service.upload_request("alice", item, 101);
    for is_replayed in [false, true] {
        let answer = refused.clone().send().await;
        let answer = answer.expect_problem(409, "quota-exceeded");
        assert_eq!(answer.is_replayed(), is_replayed);
    }
    assert_eq!(service.counts().await["accounts"], 0);
    let account = service.by("alice", "GET", "/api/v1/accounts/alice");
    assert_eq!(account.send().await.expect(200).json()["limit_bytes"], json!(100));
}
