use depot_domain::{Declaration, Instance};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// The data of every event of a declared aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeclaredData {
    /// The aggregate after the change.
    pub aggregate: DeclaredState,
    /// Names of the members of its state that changed; empty at creation.
    pub changed: Vec<String>,
    /// Who caused the change: a token's subject.
    pub actor: String,
}

/// A declared aggregate, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeclaredState {
    pub id: Uuid,
    pub owner: String,
    /// What it has itself.
    pub state: Value,
    /// The aggregate's version; equal to `ce_aggregateversion`.
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub updated_at: OffsetDateTime,
}

impl DeclaredData {
    /// The JSON Schema of an aggregate's events.
    pub fn schema_of(declaration: &Declaration) -> Value {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let state = declaration.schema(&mut generator).to_value();
        let mut schema = generator.into_root_schema_for::<Self>().to_value();
        schema["$defs"]["DeclaredState"]["properties"]["state"] = state;
        schema
    }
}

impl From<&Instance> for DeclaredState {
    fn from(instance: &Instance) -> Self {
        Self {
            id: instance.id.0,
            owner: instance.owner.as_str().to_owned(),
            state: instance.state.clone(),
            version: instance.version,
            created_at: instance.created_at,
            updated_at: instance.updated_at,
        }
    }
}
