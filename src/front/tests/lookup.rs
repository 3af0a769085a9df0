//! What a client looks up: a generation, its credit, its key, and all that its account used.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::exchange::tests::stage::{COMPLETION, COST, Stage, ask_with, config};
use crate::exchange::tests::upstream::{Upstream, whole};
use crate::operate::fixture::{Reply, send, text};

const COSTS: &str =
    "deployments = [{ model = \"up/0\", cost = { input = \"0.5\", output = \"1\" } }]";

async fn get(stage: &Stage, key: &str, path: &str) -> Reply {
    let request = Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .body(Full::<Bytes>::default());
    send(stage.gateway.data, request.unwrap()).await
}

/// A client who has had so many answers, and their ids.
async fn after(answers: usize) -> (Stage, Vec<String>) {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&config(&[upstream.address], COSTS), "1").await;
    let upstream = upstream.plays((0..answers).map(|_| whole("200 OK", "", COMPLETION)).collect());
    let mut ids = Vec::new();
    for _ in 0..answers {
        let reply = stage.chat(ask_with(",\"user\":\"u-1\"")).await;
        assert_eq!(reply.status, 200);
        ids.push(reply.header("x-request-id").to_owned());
    }
    upstream.await.unwrap();
    (stage, ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_is_read_as_soon_as_its_answer_has_ended() {
    let (stage, ids) = after(2).await;
    for id in &ids {
        let reply = get(&stage, &stage.key, &format!("/v1/generation?id={id}")).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        let told = reply.json();
        let data = &told["data"];
        assert_eq!(data["id"], **id);
        let (model, provider) = (json!("small"), json!("p0"));
        assert_eq!((&data["model"], &data["provider_name"]), (&model, &provider));
        let counts = (&data["tokens_prompt"], &data["native_tokens_completion"]);
        assert_eq!(counts, (&json!(10), &json!(3)));
        assert!(String::from_utf8_lossy(&reply.body).contains("\"total_cost\":0.000016,"));
        assert!(data["upstream_inference_cost"].is_null() && data["created_at"].is_string());
        assert_eq!(data["external_user"], "u-1");
        assert_eq!((&data["streamed"], &data["cancelled"]), (&json!(false), &json!(false)));
    }
    let (_, stranger) = stage.other_account("1").await;
    let known = &ids[0];
    for (key, query, status, code) in [
        (&stranger, format!("?id={known}"), 404, "generation_not_found"),
        (&stage.key, "?id=gen-1".to_owned(), 404, "generation_not_found"),
        (&stage.key, format!("?id=req_{:032x}", 7), 404, "generation_not_found"),
        (&stage.key, String::new(), 400, "missing_required_parameter"),
        (&"ig-x".to_owned(), format!("?id={known}"), 401, "invalid_api_key"),
    ] {
        let reply = get(&stage, key, &format!("/v1/generation{query}")).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (status, &json!(code)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_and_key_tell_what_was_spent() {
    let (stage, _) = after(2).await;
    let credits = get(&stage, &stage.key, "/v1/credits").await;
    assert_eq!(credits.body, "{\"data\":{\"total_credits\":1,\"total_usage\":0.000032}}");
    let own = get(&stage, &stage.key, "/v1/key").await.json();
    let other = get(&stage, &stage.other_key().await, "/v1/key").await.json();
    let spent = |told: &Value| {
        ["usage", "usage_daily", "usage_weekly", "usage_monthly"]
            .map(|name| told["data"][name].as_f64().unwrap())
    };
    // Midnight may have passed since, so the day's part is not looked at.
    assert_eq!(own["data"]["label"], "k");
    assert!((spent(&own)[0] - 0.000_032).abs() < 1e-12, "{own}");
    assert!(spent(&other).iter().all(|spent| *spent == 0.0), "{other}");
    assert_eq!(get(&stage, "ig-x", "/v1/key").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_sees_the_accounts_usage_and_no_costs_of_providers() {
    let (stage, ids) = after(3).await;
    let first = get(&stage, &stage.key, "/api/v1/usage?limit=2").await;
    assert_eq!((first.status, first.header("content-type")), (200, "application/json"));
    let page = first.json();
    let rows = page["usage"].as_array().unwrap();
    let told: Vec<String> = rows.iter().map(|row| text(&row["id"])).collect();
    assert_eq!(told, ids[..2]);
    let rest = format!("/api/v1/usage?limit=2&after={}", text(&page["next"]));
    let rest = get(&stage, &stage.key, &rest).await.json();
    assert_eq!((rest["usage"][0]["id"].clone(), &rest["next"]), (json!(ids[2]), &Value::Null));
    assert_eq!(
        (&rows[0]["charged_nano_usd"], &rows[0]["end"]),
        (&json!(COST), &json!("completed"))
    );
    let said = String::from_utf8_lossy(&first.body);
    assert!(!said.contains("provider_cost") && !said.contains("up/0"), "{said}");

    for (query, count) in [
        ("model=small", 3),
        ("model=large", 0),
        ("provider=p0&end=completed&status=200", 3),
        ("end=client_gone", 0),
        ("status=500", 0),
        ("key=key_1", 3),
        ("user=u-1", 3),
        ("user=u-2", 0),
        ("key=key_2", 0),
        ("to=2020-01-01", 0),
        ("from=2020-01-01", 3),
    ] {
        let page = get(&stage, &stage.key, &format!("/api/v1/usage?{query}")).await.json();
        assert_eq!(page["usage"].as_array().unwrap().len(), count, "{query}: {page}");
    }
    let csv = get(&stage, &stage.key, "/api/v1/usage?format=csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let csv = String::from_utf8(csv.body.to_vec()).unwrap();
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert!(lines.len() == 4 && lines[0].starts_with("id,account,key,"), "{csv}");
    assert!(lines[1].starts_with(&ids[0]), "{csv}");
    let sums = get(&stage, &stage.key, "/api/v1/usage?group_by=provider").await.json();
    let group = &sums["groups"][0];
    assert_eq!((&group["provider"], &group["requests"]), (&json!("p0"), &json!(3)));
    assert_eq!(
        (&group["charged_nano_usd"], &group["margin_nano_usd"]),
        (&json!(3 * COST), &Value::Null)
    );
    let users = get(&stage, &stage.key, "/api/v1/usage?group_by=user").await.json();
    assert_eq!(
        (&users["groups"][0]["user"], &users["groups"][0]["requests"]),
        (&json!("u-1"), &json!(3))
    );
    let all = stage.gateway.get("/admin/v1/usage?group_by=provider").await;
    assert_eq!(all["groups"][0]["margin_nano_usd"], 3 * COST / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accounts_usage_is_nobodys_business() {
    let (stage, _) = after(1).await;
    let (other, stranger) = stage.other_account("1").await;
    let page = get(&stage, &stranger, "/api/v1/usage").await.json();
    assert_eq!(page, json!({ "usage": [], "next": null }));
    let other = other.rsplit('/').next().unwrap();
    for (key, query, status) in [
        (&stage.key, format!("?account={other}"), 400),
        (&stage.key, format!("?after={other}"), 400),
        (&stage.key, "?colour=red".to_owned(), 400),
        (&stage.key, "?end=well".to_owned(), 400),
        (&"ig-x".to_owned(), String::new(), 401),
    ] {
        let reply = get(&stage, key, &format!("/api/v1/usage{query}")).await;
        assert_eq!(reply.status, status, "{query}: {:?}", reply.body);
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert_eq!(reply.json()["status"], status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_for_answers_alone_does_not_read_what_the_account_used() {
    let (stage, _) = after(1).await;
    let new = json!({ "name": "app", "scopes": ["inference"] });
    let key = stage.gateway.post(&format!("{}/keys", stage.account), &new, 201).await;
    let key = key["secret"].as_str().unwrap();
    for (path, status) in [("/v1/key", 200), ("/v1/credits", 403), ("/api/v1/usage", 403)] {
        assert_eq!(get(&stage, key, path).await.status, status, "{path}");
    }
}
