use uuid::Uuid;

use crate::harness::Harness;

#[tokio::test]
async fn every_bad_parameter_is_a_problem_that_names_it() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    let long = "x".repeat(300);
    for (path, name) in [
        ("/api/v1/items/not-a-uuid".to_owned(), "id"),
        (format!("/api/v1/items/{}", id.simple()), "id"),
        (format!("/api/v1/uploads/{id}x"), "id"),
        (format!("/api/v1/items/{id}?foo=1"), "foo"),
        (format!("/api/v1/items/{id}?min_version=x"), "min_version"),
        (format!("/api/v1/items/{id}?min_version=-1"), "min_version"),
        (format!("/api/v1/items/{id}?min_version="), "min_version"),
        (
            format!("/api/v1/items/{id}?min_version=1&min_version=2"),
            "min_version",
        ),
        (format!("/api/v1/items/{id}/history?limit=0"), "limit"),
        (format!("/api/v1/uploads/{id}/content?redirect=maybe"), "redirect"),
        ("/api/v1/items?limit=201".to_owned(), "limit"),
        ("/api/v1/items?limit=ten".to_owned(), "limit"),
        ("/api/v1/items?limit=99999999999999999999".to_owned(), "limit"),
        ("/api/v1/items?min_version=1".to_owned(), "min_version"),
        ("/api/v1/items?offset=10".to_owned(), "offset"),
        ("/api/v1/items:export?limit=10".to_owned(), "limit"),
        ("/api/v1/items:export?sort=name".to_owned(), "sort"),
        ("/api/v1/items:export?status=lost".to_owned(), "status"),
        ("/api/v1/items:export?after=1&after=2".to_owned(), "after"),
        ("/api/v1/items?status=lost".to_owned(), "status"),
        ("/api/v1/items?sort=price".to_owned(), "sort"),
        ("/api/v1/items?created_from=yesterday".to_owned(), "created_from"),
        (
            "/api/v1/items?created_from=2026-02-01T00:00:00Z&created_to=2026-01-01T00:00:00Z".to_owned(),
            "created_to",
        ),
        (format!("/api/v1/items?owner={long}"), "owner"),
        (format!("/api/v1/items?q={long}"), "q"),
        ("/api/v1/items?q=%20".to_owned(), "q"),
        ("/api/v1/items?q=a%00b".to_owned(), "q"),
        ("/api/v1/items?q=%ff".to_owned(), "q"),
        ("/api/v1/items?tag=".to_owned(), "tag"),
        ("/api/v1/items?tag=a%0ab".to_owned(), "tag"),
        ("/api/v1/statistics?tag=red".to_owned(), "tag"),
    ] {
        let reply = harness.get(&path).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (400, "invalid-parameter"),
            "{path}"
        );
        assert_eq!(reply.json()["errors"][0]["pointer"], name, "{path}");
    }
}

#[tokio::test]
async fn all_bad_parameters_are_named_at_once() {
    let harness = Harness::start().await;
    let reply = harness.get("/api/v1/items?limit=0&sort=x&nonsense=1").await;
    assert_eq!(
        (reply.status, reply.json()["errors"].as_array().unwrap().len()),
        (400, 3)
    );
}

#[tokio::test]
async fn a_cursor_that_was_not_given_out_for_this_question_is_refused() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    let long = "A".repeat(5_000);
    for path in [
        "/api/v1/items?cursor=".to_owned(),
        "/api/v1/items?cursor=nonsense".to_owned(),
        format!("/api/v1/items?cursor={long}"),
        format!("/api/v1/items/{id}/history?cursor=nonsense"),
    ] {
        let reply = harness.get(&path).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (400, "invalid-cursor"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_text_that_could_be_mistaken_for_a_query_is_only_text() {
    let harness = Harness::start().await;
    for text in [
        "'%3B%20DROP%20TABLE%20read.items--",
        "a:*",
        "!!!",
        "%26%26",
        "%22unclosed",
        "-",
        "or",
    ] {
        let reply = harness.get(&format!("/api/v1/items?q={text}")).await;
        assert_eq!(
            (reply.status, reply.json()["items"].as_array().unwrap().len()),
            (200, 0),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_done_are_problems_too() {
    let harness = Harness::start().await;
    assert_eq!(harness.get("/api/v1/nothing").await.problem(), "not-found");
    assert_eq!(harness.get("/api/v1/items/%ff").await.status, 400);
}
