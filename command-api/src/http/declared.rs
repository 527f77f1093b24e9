//! Declared aggregates: `POST /api/v1/orders`, `POST /api/v1/orders/{id}:ship`, for each that is declared.

use axum::{Extension, Router, extract::State, routing::get};
use depot_domain::{Body, Command, Declaration, InstanceId, Refused};
use depot_schemas::DeclaredState;
use depot_service::{
    json::{self, JsonWithBytes},
    params::PathParams,
    problem::Problem,
};
use http::{
    StatusCode,
    header::{ETAG, LOCATION},
};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{
    answer::Answer,
    error,
    executor::Executor,
    problems, redirect,
    router::{ApiState, QueryAddress},
    write_request::WriteRequest,
};
use crate::commands::{ChangeDeclared, CreateDeclared, DeclaredAnswer};

/// The routes of these aggregates. What is read of them is read on the query API.
pub fn routes(declarations: &'static [Declaration]) -> Router<ApiState> {
    let of_each = declarations.iter().map(|declaration| {
        let all = format!("/api/v1/{}", declaration.plural);
        Router::new()
            .route(&all, get(redirect::to_query_api).post(create))
            .route(
                &format!("{all}/{{target}}"),
                get(redirect::to_query_api).post(change),
            )
            .layer(Extension(declaration))
    });
    of_each.fold(Router::new(), Router::merge)
}

async fn create(
    State(executor): State<Executor>,
    State(query): State<QueryAddress>,
    Extension(of): Extension<&'static Declaration>,
    write: WriteRequest,
    body: JsonWithBytes<IgnoredAny>,
) -> Result<Answer, Problem> {
    write.require_key()?;
    let command = CreateDeclared {
        actor: write.actor.clone(),
        of,
        state: of.create(parse(of.new, &body.bytes)?).map_err(not_made)?,
    };
    let render = move |answer: DeclaredAnswer| {
        let path = format!("/api/v1/{}/{}", of.plural, answer.instance.id);
        shown(StatusCode::CREATED, &answer).with(LOCATION, query.url_of(&path))
    };
    executor.run(write.identity(&body.bytes), command, render).await
}

async fn change(
    State(executor): State<Executor>,
    Extension(of): Extension<&'static Declaration>,
    PathParams(target): PathParams<String>,
    write: WriteRequest,
    body: JsonWithBytes<IgnoredAny>,
) -> Result<Answer, Problem> {
    let (id, command) = meant(of, &target)?;
    let command = ChangeDeclared {
        actor: write.actor.clone(),
        of,
        id,
        precondition: write.require_precondition()?,
        command,
        body: parse(command.body, &body.bytes)?,
    };
    let render = |answer| shown(StatusCode::OK, &answer);
    executor.run(write.identity(&body.bytes), command, render).await
}

/// `{id}:{command}`, which the router takes as one segment.
fn meant(of: &'static Declaration, target: &str) -> Result<(InstanceId, &'static Command), Problem> {
    let known = || {
        let names: Vec<_> = of.commands.iter().map(|command| command.name).collect();
        Problem::not_found(format!(
            "Send a command behind the id, such as `:{}`. There are {}.",
            names.first().unwrap_or(&"…"),
            names.join(", ")
        ))
    };
    let (id, name) = target.split_once(':').ok_or_else(known)?;
    let command = of.command(name).ok_or_else(known)?;
    let id = id.parse().map_err(|invalid| error::invalid_id(&invalid))?;
    Ok((id, command))
}

fn parse(body: Body, bytes: &[u8]) -> Result<Value, Problem> {
    json::parse_by(bytes, body.read, body.shape)
}

/// What is wrong with a new one was found out without any state: it is not kept under the key.
fn not_made(refused: Refused) -> Problem {
    match refused {
        Refused::Invalid(invalid) => Problem::validation_failed(error::faults(invalid.0)),
        Refused::NotNow(why) => Problem::of(&problems::NOT_NOW).with_detail(why),
        Refused::Unfit(error) => Problem::internal(&error),
    }
}

fn shown(status: StatusCode, answer: &DeclaredAnswer) -> Answer {
    Answer::json(status, &DeclaredState::from(&answer.instance)).with(ETAG, answer.version.etag())
}

#[cfg(test)]
mod tests {
    use depot_test_stack::NOTE;
    use serde_json::json;

    use super::*;

    const ID: &str = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f";

    #[test]
    fn a_command_stands_behind_the_id() {
        let (id, command) = meant(&NOTE, &format!("{ID}:close")).unwrap();
        assert_eq!((id.to_string(), command.name), (ID.to_owned(), "close"));
        for (target, status) in [
            (ID.to_owned(), 404),
            (format!("{ID}:burn"), 404),
            (format!("{ID}:"), 404),
            ("7:close".to_owned(), 400),
        ] {
            assert_eq!(meant(&NOTE, &target).unwrap_err().status, status, "{target}");
        }
    }

    #[test]
    fn every_fault_of_shape_is_named_and_then_every_fault_of_value() {
        assert_eq!(
            parse(NOTE.new, br#"{"text": "a"}"#).unwrap(),
            json!({"text": "a"})
        );
        let faults = |bytes: &[u8]| {
            let problem = parse(NOTE.new, bytes).unwrap_err();
            let mut pointers: Vec<_> = problem.errors.iter().map(|fault| fault.pointer.clone()).collect();
            pointers.sort();
            (problem.status, pointers)
        };
        let named = vec!["/colour".to_owned(), "/text".to_owned()];
        assert_eq!(faults(br#"{"text": 7, "colour": "blue"}"#), (422, named));
        assert_eq!(faults(b"{"), (400, vec![]));
        let twice = faults(br#"{"text": "a", "text": "b"}"#);
        assert_eq!(twice.0, 422);
        let refused = NOTE.create(json!({"text": ""})).map_err(not_made).unwrap_err();
        assert_eq!(
            (refused.status, refused.errors[0].pointer.as_str()),
            (422, "/text")
        );
    }
}
