//! Answers that are kept under idempotency keys, and what they are about.

use depot_domain::VersionToken;
use depot_read_model::EntityKind;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    database::Database,
    hop::{Hop, HopState, Seen},
    moment,
};

/// A kept answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub principal: String,
    /// Method and route template.
    pub route: String,
    pub status: i16,
    /// `[[name, value], …]`
    pub headers: Value,
    pub body: Vec<u8>,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// What an answer names, and in which version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    pub kind: EntityKind,
    pub id: Uuid,
    pub version: Option<VersionToken>,
}

/// The answers under a key, the newest first; of everybody who used it where no principal is told, for which there is
/// no index.
pub async fn look(db: &mut Database, key: &str, principal: Option<&str>) -> Seen<Vec<Kept>> {
    db.ask("look for the key", async |conn| {
        sqlx::query_as!(
            Kept,
            r#"SELECT principal, route, status AS "status!", headers AS "headers!", body AS "body!", created_at, expires_at
               FROM command.idempotency_keys
               WHERE key = $1 AND ($2::text IS NULL OR principal = $2) AND status IS NOT NULL
               ORDER BY created_at DESC LIMIT 10"#,
            key,
            principal
        )
        .fetch_all(conn)
        .await
    })
    .await
}

impl Kept {
    /// The item or upload that was answered; none for a refusal, and for an answer without a body.
    pub fn named(&self) -> Option<Named> {
        if !(200..300).contains(&self.status) {
            return None;
        }
        let kind = if self.route.contains("/admin/") {
            return None;
        } else if self.route.contains("/uploads") {
            EntityKind::Upload
        } else if self.route.contains("/items") {
            EntityKind::Item
        } else {
            return None;
        };
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let id = body["id"].as_str()?.parse().ok()?;
        let version = self.header("etag");
        let version = version.and_then(|etag| etag.trim_matches('"').parse().ok());
        Some(Named { kind, id, version })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.headers.as_array()?.iter();
        let mut values = pairs.filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)));
        values
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn hop(&self, now: OffsetDateTime) -> Hop {
        let about = match self.named() {
            Some(named) => format!("names {} {}", named.kind.as_str(), named.id),
            None => "names neither an item nor an upload".to_owned(),
        };
        let detail = format!(
            "{} to {} of {}, {about}; kept until {}",
            self.status,
            self.route,
            self.principal,
            moment::with_age(self.expires_at, now)
        );
        Hop::new("answer (command-api)", HopState::Done, detail)
            .since(self.created_at)
            .figure("status", self.status)
            .figure("route", &*self.route)
            .figure("principal", &*self.principal)
            .figure("expires_at", moment::text(self.expires_at))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(route: &str, status: i16, body: &str) -> Kept {
        Kept {
            principal: "alice".to_owned(),
            route: route.to_owned(),
            status,
            headers: json!([["content-type", "application/json"], ["etag", "\"1.3\""]]),
            body: body.as_bytes().to_vec(),
            created_at: OffsetDateTime::UNIX_EPOCH,
            expires_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_answer_names_what_it_shows_in_its_version() {
        let id = Uuid::from_u128(7);
        let body = json!({"id": id, "name": "a"}).to_string();
        let named = |kind| {
            let version = Some(VersionToken::new(1, 3));
            Some(Named { kind, id, version })
        };
        assert_eq!(
            kept("PATCH /api/v1/items/{id}", 200, &body).named(),
            named(EntityKind::Item)
        );
        assert_eq!(
            kept("POST /api/v1/uploads/{id}/complete", 202, &body).named(),
            named(EntityKind::Upload)
        );
        for (route, status, body) in [
            ("POST /api/v1/items", 409, &*body),
            ("DELETE /api/v1/items/{id}", 204, ""),
            ("POST /api/v1/admin/dlq/redrive", 200, &*body),
            ("PUT /api/v1/accounts/{owner}/limit", 200, &*body),
            ("POST /api/v1/items", 201, r#"{"id": 7}"#),
        ] {
            assert_eq!(kept(route, status, body).named(), None, "{route} {status}");
        }
    }
}
