//! Commands that are written together, two of them of one item.

use command_api::store::{StoreError, items};
use depot_domain::{Item, ItemContent, ItemDecision, ItemId, ItemStatus, Owner};
use serde_json::Map;
use time::OffsetDateTime;

use crate::{ground::Ground, story::Story};

const TABLES: &str =
    "CREATE TABLE naive.items (id integer PRIMARY KEY, name text NOT NULL, version bigint NOT NULL);
                      INSERT INTO naive.items VALUES (1, 'lamp', 1)";

#[tokio::test]
async fn of_two_commands_of_one_item_in_one_statement_one_is_lost() {
    let mut story = Story::of("two_commands");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

/// The naive way: one statement for all commands that have gathered. Answers how many rows it changed.
async fn rename_all(ground: &Ground, commands: &[(i32, &str)]) -> u64 {
    let (ids, names): (Vec<i32>, Vec<&str>) = commands.iter().copied().unzip();
    sqlx::query(
        "UPDATE naive.items AS item SET name = given.name, version = version + 1
         FROM unnest($1::integer[], $2::text[]) AS given (id, name) WHERE item.id = given.id",
    )
    .bind(ids)
    .bind(names)
    .execute(&ground.pool)
    .await
    .unwrap()
    .rows_affected()
}

async fn naive(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    story.naive("UPDATE items … FROM unnest(the commands that have gathered)");
    let commands = [(1, "red lamp"), (1, "blue lamp")];
    story.line(
        "commands",
        "rename the item to red lamp; rename the same item to blue lamp",
    );
    let changed = rename_all(&ground, &commands).await;
    let version = ground.count("SELECT version FROM naive.items").await;
    assert_eq!((changed, version), (1, 2));
    story.line("table", format!("{changed} row changed, to version {version}"));
    story.line("server", "COMMIT; answers 200 to both");
    story.result("one of the two, nobody can say which, was acknowledged and is lost");
}

fn content(name: &str) -> ItemContent {
    let fields = (String::new(), Vec::new(), Map::new());
    ItemContent::parse(name.to_owned(), fields.0, fields.1, fields.2, ItemStatus::Draft).unwrap()
}

fn rename(item: &Item, name: &str) -> Item {
    match item.clone().replace(content(name), OffsetDateTime::now_utc()) {
        Ok(ItemDecision::Changed(item, _)) => item,
        other => panic!("{other:?}"),
    }
}

async fn depot(story: &mut Story) {
    let ground = Ground::with("").await;
    let owner = Owner::parse("alice").unwrap();
    let item = Item::create(
        ItemId::generate(),
        owner,
        content("lamp"),
        OffsetDateTime::now_utc(),
    );
    items::insert(&mut ground.pool.acquire().await.unwrap(), &item)
        .await
        .unwrap();
    story.depot("a statement that changes fewer rows than it was given commands changes none");
    story.line(
        "commands",
        "rename the item to red lamp; rename the same item to blue lamp",
    );
    let mut together = ground.pool.begin().await.unwrap();
    let locked = items::lock_free(&mut together, &[item.id.0]).await.unwrap();
    let decided = ["red lamp", "blue lamp"].map(|name| rename(&locked[0], name));
    let refused = items::update_all(&mut together, &decided.each_ref()).await;
    assert!(
        matches!(refused, Err(StoreError::Unexpected { .. })),
        "{refused:?}"
    );
    together.rollback().await.unwrap();
    story.line(
        "together",
        "1 row would be changed for 2 commands: ROLLBACK; each is run alone",
    );
    for name in ["red lamp", "blue lamp"] {
        let mut alone = ground.pool.begin().await.unwrap();
        let current = items::lock(&mut alone, item.id).await.unwrap().unwrap();
        let next = rename(&current, name);
        items::update(&mut alone, &next).await.unwrap();
        alone.commit().await.unwrap();
        story.line(
            "alone",
            format!("{name}: version {}; COMMIT; answers 200", next.version),
        );
    }
    let version = ground.count("SELECT version FROM command.items").await;
    assert_eq!(version, 3);
    story.result(format!("both are done, one after the other: version {version}"));
}
