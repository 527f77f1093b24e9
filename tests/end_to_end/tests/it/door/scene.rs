use depot_end_to_end::{Depot, sha256_hex};
use depot_service::auth::Role;
use serde_json::json;
use uuid::Uuid;

/// What is asked about: all of it alice's.
pub struct Scene {
    pub item: String,
    /// Announced, and waiting for its bytes.
    pub announced: String,
    /// Announced, to be sent in parts.
    pub in_parts: String,
    /// Stored, and in the views; the same in all scenes of a test.
    pub stored: String,
    pub version: String,
}

pub const FILE: &[u8] = b"abc";

impl Scene {
    pub async fn set(depot: &Depot) -> Self {
        let alice = depot.client("alice", Role::Writer);
        let (item, _) = new_item(depot).await;
        let stored = alice
            .upload_of("image/png", &item, "a.png", depot_test_stack::small_png(1))
            .await
            .unwrap();
        depot_test_stack::wait_until("the upload is in the view", || async {
            let path = format!("/api/v1/uploads/{stored}");
            let read = alice.send(alice.query(&path)).await.unwrap().json();
            read["status"] == "stored" && read["thumbnail"].is_object()
        })
        .await;
        let scene = Self {
            stored,
            ..Self::around(depot).await
        };
        // Readable, so that a refusal is no mere absence.
        alice
            .read_at_least(&format!("/api/v1/items/{}", scene.item), &scene.version)
            .await
            .unwrap();
        scene
    }

    /// Another item of alice's, with uploads that nobody has touched.
    pub async fn fresh(&self, depot: &Depot) -> Self {
        Self {
            stored: self.stored.clone(),
            ..Self::around(depot).await
        }
    }

    async fn around(depot: &Depot) -> Self {
        let alice = depot.client("alice", Role::Writer);
        let (item, version) = new_item(depot).await;
        let announce = async |size: usize| {
            let announced = alice
                .request_upload(&item, "a.bin", size, &sha256_hex(FILE))
                .await
                .unwrap();
            assert_eq!(announced.status, 201, "{announced:?}");
            announced.text("id")
        };
        Self {
            announced: announce(FILE.len()).await,
            in_parts: announce(6_000_000).await,
            stored: String::new(),
            item,
            version,
        }
    }

    /// Fails if anything of the scene is not as it was set.
    pub async fn is_untouched(&self, depot: &Depot) {
        let state: (i64, String, i64, String) = sqlx::query_as(
            "SELECT i.version, i.name, u.version, u.status::text FROM command.items i
             JOIN command.uploads u ON u.item_id = i.id AND u.id = $2::uuid WHERE i.id = $1::uuid",
        )
        .bind(&self.item)
        .bind(&self.announced)
        .fetch_one(&depot.database)
        .await
        .unwrap();
        assert_eq!(
            state,
            (1, "alice's".to_owned(), 1, "pending".to_owned()),
            "a refused request changed something"
        );
    }
}

async fn new_item(depot: &Depot) -> (String, String) {
    let alice = depot.client("alice", Role::Writer);
    let created = alice
        .create_item(&Uuid::now_v7().to_string(), &json!({"name": "alice's"}))
        .await
        .unwrap();
    assert_eq!(created.status, 201, "{created:?}");
    (created.text("id"), created.version().unwrap())
}
