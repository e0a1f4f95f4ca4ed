//! The fake Label Studio answers as the real one was measured to, and fails as it was seen to fail.

#[path = "common/fake_label_studio.rs"]
mod fake_label_studio;

use std::collections::BTreeSet;
use std::time::Duration;

use fake_label_studio::{
    ACCESS_SECONDS, Call, Database, Edition, Fake, Fault, Faults, LEGACY_TOKEN, Options, attempts,
    no_overlap, spaced,
};
use reqwest::header::AUTHORIZATION;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// A reply, or none.
type Reply = Option<(u16, String)>;

/// A client as plain as can be.
struct Plain {
    http: Client,
    base: String,
    token: String,
}

impl Plain {
    fn new(fake: &Fake) -> Plain {
        Plain {
            http: Client::new(),
            base: fake.address(),
            token: format!("Token {LEGACY_TOKEN}"),
        }
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base))
    }

    async fn send(&self, request: RequestBuilder) -> Reply {
        let reply = request
            .header(AUTHORIZATION, &self.token)
            .send()
            .await
            .ok()?;
        let status = reply.status().as_u16();
        Some((status, reply.text().await.ok()?))
    }

    async fn json(&self, request: RequestBuilder) -> (u16, Value) {
        let (status, body) = self.send(request).await.expect("an answer");
        (
            status,
            serde_json::from_str(&body).unwrap_or_else(|_| body.into()),
        )
    }

    fn file(&self, path: &str, name: &str, body: String) -> RequestBuilder {
        self.post(path)
            .multipart(Form::new().part("file", Part::text(body).file_name(name.to_owned())))
    }

    async fn upload(&self, tasks: &Value) -> Reply {
        let path = "/api/projects/1/import?commit_to_project=false";
        self.send(self.file(path, "batch-0001.json", tasks.to_string()))
            .await
    }

    async fn uploaded(&self, tasks: &Value) -> u64 {
        let (_, body) = self.upload(tasks).await.expect("an answer");
        serde_json::from_str::<Value>(&body).expect("JSON")["file_upload_ids"][0]
            .as_u64()
            .expect("an upload")
    }

    async fn reimport(&self, upload: u64) -> Reply {
        let body = json!({"file_upload_ids": [upload], "files_as_tasks_list": true});
        self.send(self.post("/api/projects/1/reimport").json(&body))
            .await
    }

    async fn count(&self, upload: u64) -> Option<u64> {
        let query = filter(upload);
        let request = self.get(&tasks_path(&[
            ("page_size", "1"),
            ("include", "id"),
            ("query", &query),
        ]));
        let (status, body) = self.send(request).await?;
        if status != 200 {
            return None;
        }
        serde_json::from_str::<Value>(&body).ok()?["total"].as_u64()
    }

    async fn uploads(&self) -> Option<Vec<Value>> {
        let (status, body) = self
            .send(self.get("/api/projects/1/file-uploads?all=true"))
            .await?;
        if status == 200 {
            serde_json::from_str(&body).ok()
        } else {
            None
        }
    }
}

fn filter(upload: u64) -> String {
    let item = json!({"filter": "filter:tasks:file_upload_id", "operator": "equal", "type": "Number", "value": upload});
    json!({"filters": {"conjunction": "and", "items": [item]}}).to_string()
}

fn tasks_path(query: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query)
        .finish();
    format!("/api/tasks?project=1&{query}")
}

fn legacy() -> Options {
    Options {
        legacy: true,
        ..Options::default()
    }
}

/// Tasks of both sorts.
fn tasks(from: usize, count: usize) -> Value {
    (from..from + count)
        .map(|i| match i % 3 {
            0 => {
                let result = json!([{"from_name": "c", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}]);
                json!({
                    "data": {"text": format!("t{i}")}, "meta": {"i": i},
                    "annotations": [{"result": result}], "predictions": [{"result": result, "score": 0.5}],
                })
            }
            _ => json!({"data": {"text": format!("t{i}")}}),
        })
        .collect()
}

fn list(tasks: &Value) -> &[Value] {
    tasks.as_array().expect("a list")
}

fn without_id(body: &str) -> String {
    let (before, after) = body.split_once(r#""id":""#).expect("an error has an id");
    format!("{before}{}", after.split_once(r#"","#).expect("a uuid").1)
}

#[tokio::test(start_paused = true)]
async fn says_who_it_is_without_a_token() {
    let fake = Fake::start(
        Faults::none(),
        Options {
            prefix: "/ls".to_owned(),
            ..Options::default()
        },
    );
    let client = Client::new();
    let get = async |path: &str| {
        let reply = client
            .get(format!("{}{path}", fake.address()))
            .send()
            .await
            .expect("an answer");
        (reply.status().as_u16(), reply.text().await.expect("text"))
    };
    assert!(fake.address().ends_with("/ls"));
    assert_eq!(
        get("/health").await,
        (200, r#"{"status": "UP"}"#.to_owned())
    );
    assert!(
        get("/api/version")
            .await
            .1
            .contains(r#""release":"1.23.2""#)
    );
    assert!(
        get("/version")
            .await
            .1
            .starts_with("<pre>{\n  \"release\": \"1.23.2\"")
    );
    assert_eq!(get("/nope").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_told_apart_and_end() {
    let fake = Fake::start(Faults::none(), Options::default());
    let mut client = Plain::new(&fake);
    let project = || client.get("/api/projects/1");
    let denied = |detail: &str| {
        Some((
            401,
            format!(
                r#"{{"status_code":401,"version":"1.23.2","detail":"{detail}","exc_info":null}}"#
            ),
        ))
    };
    let ask = async |client: &Plain, request| {
        client
            .send(request)
            .await
            .map(|(status, body)| (status, without_id(&body)))
    };
    let off = "Authentication token no longer valid: legacy token authentication has been disabled for this organization";
    assert_eq!(ask(&client, project()).await, denied(off));
    client.token = format!("Token {}", fake.pat());
    assert_eq!(
        ask(&client, client.get("/api/projects/1")).await,
        denied("Invalid token.")
    );
    client.token = format!("Bearer {}", fake.pat());
    let nobody = "Authentication credentials were not provided.";
    assert_eq!(
        ask(&client, client.get("/api/projects/1")).await,
        denied(nobody)
    );

    let refresh = |token: &str| {
        client
            .post("/api/token/refresh")
            .json(&json!({"refresh": token}))
    };
    assert_eq!(ask(&client, refresh("x")).await, denied("Token is invalid"));
    let (status, body) = client.json(refresh(&fake.pat())).await;
    let access = body["access"].as_str().expect("a token").to_owned();
    assert_eq!(status, 200);
    assert_eq!(
        ask(&client, refresh(&access)).await,
        denied("Token has wrong type")
    );
    let (_, body) = client
        .json(client.post("/api/token/refresh").json(&json!({})))
        .await;
    assert_eq!(
        body["validation_errors"],
        json!({"refresh": ["This field is required."]})
    );

    client.token = format!("Bearer {access}");
    assert_eq!(client.json(client.get("/api/projects/1")).await.0, 200);
    sleep(Duration::from_secs(ACCESS_SECONDS - 2)).await;
    assert_eq!(client.json(client.get("/api/projects/1")).await.0, 200);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(
        ask(&client, client.get("/api/projects/1")).await,
        denied(nobody)
    );
}

#[tokio::test(start_paused = true)]
async fn two_phases_store_once() {
    let fake = Fake::start(Faults::none(), legacy());
    let client = Plain::new(&fake);
    let sent = tasks(0, 7);
    let (status, body) = client.upload(&sent).await.expect("an answer");
    assert_eq!(status, 201);
    assert!(
        body.starts_with(
            r#"{"task_count":7,"annotation_count":null,"prediction_count":null,"duration":"#
        ),
        "{body}"
    );
    assert!(
        body.ends_with(r#""file_upload_ids":[1],"could_be_tasks_list":false,"found_formats":{".json":1},"data_columns":["text"]}"#),
        "{body}"
    );
    assert_eq!(client.count(1).await, Some(0));
    for _ in 0..2 {
        let (status, body) = client.reimport(1).await.expect("an answer");
        assert_eq!(status, 201);
        assert!(
            body.starts_with(
                r#"{"task_count":7,"annotation_count":3,"prediction_count":3,"duration":"#
            ),
            "{body}"
        );
        assert_eq!(client.count(1).await, Some(7));
    }
    fake.stored_equals(list(&sent)).expect("each once");
    assert!(fake.stored_equals(&list(&sent)[1..]).is_err());
    let uploads = client.uploads().await.expect("a list");
    let file = uploads[0]["file"].as_str().expect("a name");
    assert!(
        file.starts_with("upload/1/")
            && file.ends_with("-batch-0001.json")
            && file.len() == 9 + 8 + 16,
        "{file}"
    );

    let (status, body) = client.reimport(99).await.expect("an answer");
    assert_eq!((status, &body[..16]), (201, r#"{"task_count":0,"#));
    let empty = client
        .post("/api/projects/1/reimport")
        .json(&json!({"file_upload_ids": []}));
    assert_eq!(client.json(empty).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn tasks_are_read_filtered_and_deleted() {
    let fake = Fake::start(Faults::none(), legacy());
    let client = Plain::new(&fake);
    for from in [0, 5] {
        let upload = client.uploaded(&tasks(from, 5)).await;
        client.reimport(upload).await;
    }
    let query = filter(2);
    let page = |page: &'static str| {
        client.get(&tasks_path(&[
            ("page_size", "3"),
            ("page", page),
            ("fields", "all"),
            ("query", &query),
        ]))
    };
    let (_, first) = client.json(page("1")).await;
    let (_, second) = client.json(page("2")).await;
    assert_eq!(
        (
            first["total"].as_u64(),
            first["tasks"].as_array().map(Vec::len)
        ),
        (Some(5), Some(3))
    );
    assert_eq!(second["tasks"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["tasks"][1]["meta"], json!({"i": 6}));
    assert_eq!(
        first["tasks"][1]["annotations"][0]["result"][0]["type"],
        "choices"
    );
    let (status, beyond) = client.json(page("3")).await;
    assert_eq!((status, &beyond["detail"]), (404, &"Invalid page.".into()));

    let filters: Value = serde_json::from_str(&filter(2)).expect("JSON");
    let body = json!({"project": "1", "selectedItems": {"all": true, "excluded": []}, "filters": filters["filters"]});
    let (_, reply) = client
        .send(
            client
                .post("/api/dm/actions?id=delete_tasks&project=1")
                .json(&body),
        )
        .await
        .expect("an answer");
    assert_eq!(
        reply,
        r#"{"processed_items":5,"reload":false,"detail":"Deleted 5 tasks"}"#
    );
    let request = client
        .http
        .delete(format!("{}/api/projects/1/file-uploads", client.base));
    let (_, reply) = client
        .send(request.json(&json!({"file_upload_ids": [1]})))
        .await
        .expect("an answer");
    assert_eq!(reply, r#"{"deleted":1}"#);
    let left = fake.project(1).tasks;
    assert_eq!((left.len(), left[0].file_upload), (5, None));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_worded_as_the_server_words_them() {
    let fake = Fake::start(Faults::none(), legacy());
    let client = Plain::new(&fake);
    let import = |body: &'static str| {
        let request = client
            .post("/api/projects/1/import")
            .header("Content-Type", "application/json")
            .body(body);
        async {
            client
                .send(request)
                .await
                .map(|(status, body)| (status, without_id(&body)))
                .expect("an answer")
        }
    };
    let invalid = |errors: &str| {
        let head =
            r#"{"status_code":400,"version":"1.23.2","detail":"Validation error","exc_info":null"#;
        (
            400,
            format!(r#"{head},"validation_errors":{{"non_field_errors":{errors}}}}}"#),
        )
    };
    let bare = "[assume: item as is = task root with values]  ::";
    let missing = format!(
        r#"[{{}},"Error at item 1: \"text\" key is expected in task data {bare} {{'txt': 'b'}}",{{}}]"#
    );
    assert_eq!(
        import(r#"[{"text":"a"},{"txt":"b"},{"text":"c"}]"#).await,
        invalid(&missing)
    );
    let wrapped = r#"[assume: item[\"data\"] = task root with values] :: {'data': {'txt': 'b'}}"#;
    let missing =
        format!(r#"["Error at item 0: \"text\" key is expected in task data {wrapped}"]"#);
    assert_eq!(import(r#"[{"data":{"txt":"b"}}]"#).await, invalid(&missing));
    let wrong = import(r#"[{"data":{"text":null,"n":[1,{"a":"it's"}],"t":true}}]"#)
        .await
        .1;
    let types =
        "the object tag Text expects the following types: ['str', 'int', 'float', 'list'] [assume";
    assert!(
        wrong.contains(&format!(
            "data['text']=None is of type 'NoneType', but {types}"
        )),
        "{wrong}"
    );
    assert!(
        wrong.contains(r#":: {'data': {'n': [1, {'a': \"it's\"}], 't': True, 'text': None}}"#),
        "{wrong}"
    );
    assert_eq!(
        import("[]").await,
        invalid(r#"["load_tasks: No tasks added"]"#)
    );
    let error = |status: u16, detail: &str| {
        (
            status,
            format!(
                r#"{{"status_code":{status},"version":"1.23.2","detail":"{detail}","exc_info":null}}"#
            ),
        )
    };
    let nan = "JSON parse error - Out of range float values are not JSON compliant: 'NaN'";
    assert_eq!(import(r#"[{"text":NaN}]"#).await, error(400, nan));
    let check = r#"CHECK constraint failed: (JSON_VALID(\"data\") OR \"data\" IS NULL)"#;
    assert_eq!(import(r#"[{"text":1e400}]"#).await, error(500, check));
    assert_eq!(import("[null]").await.0, 500);
    assert!(import(r#"[{"text"#).await.1.contains("JSON parse error - "));

    let file = |body: &str, name: &str| {
        client.send(client.file("/api/projects/1/import", name, body.to_owned()))
    };
    let (status, body) = file(r#"[{"text":NaN}]"#, "a.json")
        .await
        .expect("an answer");
    assert_eq!((status, without_id(&body)), error(500, check));
    let (_, body) = file(r#"[{"text":"a"},{"txt":"b"}]"#, "a.json")
        .await
        .expect("an answer");
    assert!(
        body.contains(":: {'data': {'txt': 'b'}, 'file_upload_id': 2}"),
        "{body}"
    );
    let (_, body) = file("[{\"text\":\"a\"}", "a.json")
        .await
        .expect("an answer");
    assert!(body.contains("Failed to parse input file "), "{body}");
    let (_, body) = file("{}", "a.jsonl").await.expect("an answer");
    assert!(body.contains(".jsonl extension is not supported"), "{body}");
    assert_eq!(
        (fake.project(1).tasks.len(), fake.project(1).uploads.len()),
        (0, 3)
    );

    let (status, page) = client
        .send(client.post("/api/projects/9/import").json(&json!([])))
        .await
        .expect("an answer");
    assert!(status == 404 && page.contains("404 | Label Studio"));
    let (status, body) = client.json(client.get("/api/projects/9")).await;
    assert_eq!(
        (status, &body["detail"]),
        (404, &"No Project matches the given query.".into())
    );
    let (status, body) = client
        .json(
            client
                .post("/api/projects/1/import")
                .header("Content-Type", "text/plain")
                .body("x"),
        )
        .await;
    assert_eq!(
        (status, &body["detail"]),
        (
            415,
            &"Unsupported media type \"text/plain\" in request.".into()
        )
    );

    let chunks = futures::stream::iter(["[{\"text\":", "\"a\"}]"].map(Ok::<_, std::io::Error>));
    let request = client
        .post("/api/projects/1/import")
        .header("Content-Type", "application/json");
    let (status, body) = client
        .json(request.body(reqwest::Body::wrap_stream(chunks)))
        .await;
    assert_eq!(status, 400);
    assert!(body.to_string().contains(":: {}"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn errors_are_listed_up_to_the_hundredth_entry() {
    let fake = Fake::start(Faults::none(), legacy());
    let client = Plain::new(&fake);
    let listed = async |bad: fn(usize) -> bool| {
        let items: Value = (0..130)
            .map(|i| {
                if bad(i) {
                    json!({"txt": "b"})
                } else {
                    json!({"text": "a"})
                }
            })
            .collect();
        let (_, body) = client
            .json(client.post("/api/projects/1/import").json(&items))
            .await;
        body["validation_errors"]["non_field_errors"]
            .as_array()
            .expect("a list")
            .clone()
    };
    let errors = listed(|i| i % 2 == 0).await;
    assert_eq!((errors.len(), &errors[99]), (101, &"...".into()));
    assert!(
        errors[100]
            .as_str()
            .is_some_and(|text| text.starts_with("Error at item 100:"))
    );
    let errors = listed(|i| i >= 120).await;
    assert_eq!(
        (errors.len(), &errors[99], &errors[119]),
        (121, &"...".into(), &json!({}))
    );
    let errors = listed(|i| i == 99).await;
    assert_eq!((errors.len(), &errors[99]), (100, &"...".into()));
}

#[tokio::test(start_paused = true)]
async fn values_that_break_a_database_break_this_one() {
    let sent = r#"[{"text":"\ud800"}]"#;
    for (database, stored) in [(Database::Sqlite, 201), (Database::Postgres, 500)] {
        let fake = Fake::start(
            Faults::none(),
            Options {
                database,
                ..legacy()
            },
        );
        let client = Plain::new(&fake);
        let upload = client
            .send(client.file(
                "/api/projects/1/import?commit_to_project=false",
                "a.json",
                sent.to_owned(),
            ))
            .await;
        assert_eq!(upload.map(|(status, _)| status), Some(201));
        assert_eq!(
            client.reimport(1).await.map(|(status, _)| status),
            Some(stored)
        );
        let (status, _) = client.json(client.get("/api/tasks?project=1")).await;
        assert_eq!(status, if stored == 201 { 500 } else { 200 });
    }
}

#[tokio::test(start_paused = true)]
async fn another_edition_answers_with_a_number() {
    let fake = Fake::start(
        Faults::none(),
        Options {
            edition: Edition::Enterprise,
            ..legacy()
        },
    );
    let client = Plain::new(&fake);
    let poll = async |kind: &str, id: u64| loop {
        let (_, job) = client
            .json(client.get(&format!("/api/projects/1/{kind}/{id}/")))
            .await;
        if job["status"] == "completed" || job["status"] == "failed" {
            return job;
        }
        sleep(Duration::from_secs(1)).await;
    };
    let sent = tasks(0, 4);
    assert_eq!(
        client.upload(&sent).await,
        Some((201, r#"{"import":1}"#.to_owned()))
    );
    let job = poll("imports", 1).await;
    assert_eq!(
        (&job["file_upload_ids"], &job["task_count"]),
        (&json!([1]), &4.into())
    );
    assert_eq!(
        client.reimport(1).await,
        Some((201, r#"{"reimport":1}"#.to_owned()))
    );
    assert_eq!(poll("reimports", 1).await["annotation_count"], 2);
    fake.stored_equals(list(&sent)).expect("each once");
    client.upload(&json!([{"txt": "b"}])).await;
    poll("imports", 2).await;
    client.reimport(2).await;
    let job = poll("reimports", 2).await;
    assert_eq!(job["status"], "failed");
    assert!(
        job["error"]
            .as_str()
            .is_some_and(|text| text.contains("Error at item 0")),
        "{job}"
    );
}

/// A server at which one upload has been made, and what happens to the reimport of it.
async fn fails(fault: Fault) -> (Fake, Plain, Reply) {
    let fake = Fake::start(
        Faults::script_on(vec![(Call::Reimport, fault.clone())]),
        legacy(),
    );
    let client = Plain::new(&fake);
    client.upload(&tasks(0, 4)).await;
    let reply = client.reimport(1).await;
    assert_eq!(fake.faults_seen().get(fault.name()), Some(&1));
    (fake, client, reply)
}

#[tokio::test(start_paused = true)]
async fn each_fault_does_to_a_reimport_what_it_says() {
    let second = Duration::from_secs(1);
    let status = |reply: &Reply| reply.as_ref().map(|(status, _)| *status);

    let (fake, _, reply) = fails(Fault::DropReply).await;
    assert_eq!((reply, fake.project(1).tasks.len()), (None, 4));

    let (fake, client, reply) = fails(Fault::StoreLate { after: 10 * second }).await;
    assert_eq!((reply, client.count(1).await), (None, Some(0)));
    assert!(fake.is_busy());
    sleep(11 * second).await;
    assert_eq!(client.count(1).await, Some(4));
    assert!(!fake.is_busy());

    let (_fake, client, reply) = fails(Fault::StoreTwice).await;
    assert!(reply.is_some_and(|(status, body)| status == 201
        && body.starts_with(r#"{"task_count":4,"annotation_count":2,"#)));
    assert_eq!(client.count(1).await, Some(8));
    client.reimport(1).await;
    assert_eq!(client.count(1).await, Some(4));

    for (fault, stored) in [
        (Fault::ErrorAfterStoring, 4),
        (Fault::ErrorBeforeStoring, 0),
    ] {
        let (_fake, client, reply) = fails(fault).await;
        assert_eq!(
            (status(&reply), client.count(1).await),
            (Some(500), Some(stored))
        );
    }

    let (fake, _, reply) = fails(Fault::LoseExtras).await;
    assert!(
        reply
            .is_some_and(|(_, body)| body.contains(r#""annotation_count":0,"prediction_count":0"#))
    );
    assert!(
        fake.project(1)
            .tasks
            .iter()
            .all(|task| task.annotations.is_empty() && task.predictions.is_empty())
    );

    for (code, stores, then) in [
        (500, None, 0),
        (502, Some(Duration::ZERO), 4),
        (504, Some(5 * second), 4),
    ] {
        let (fake, client, reply) = fails(Fault::Html {
            status: code,
            stores,
        })
        .await;
        assert!(reply.is_some_and(|(status, body)| status == code && body.contains("<html")));
        assert_eq!(
            fake.project(1).tasks.len(),
            if stores == Some(Duration::ZERO) { 4 } else { 0 }
        );
        sleep(6 * second).await;
        assert_eq!(client.count(1).await, Some(then));
    }

    let (_fake, client, reply) = fails(Fault::TooLarge).await;
    assert_eq!(
        (status(&reply), client.count(1).await),
        (Some(413), Some(0))
    );
    let (_fake, client, reply) = fails(Fault::TooMany { retry_after: 7 }).await;
    assert_eq!(
        (status(&reply), client.count(1).await),
        (Some(429), Some(0))
    );

    let begun = Instant::now();
    let (_fake, client, reply) = fails(Fault::Slow { by: 400 * second }).await;
    assert_eq!(
        (status(&reply), client.count(1).await),
        (Some(201), Some(4))
    );
    assert!(
        (begun.elapsed().as_secs_f64() - 400.0).abs() < 2.0,
        "{:?}",
        begun.elapsed()
    );

    for (stores, stored) in [(false, 0), (true, 4)] {
        let (_fake, client, reply) = fails(Fault::Restart {
            stores,
            down: 3 * second,
        })
        .await;
        assert_eq!((reply, client.count(1).await), (None, None));
        sleep(4 * second).await;
        assert_eq!(client.count(1).await, Some(stored));
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_are_cut_doubled_and_outlive_their_tokens() {
    let cut = Fault::CutUpload { at: 100 };
    let fake = Fake::start(
        Faults::script(vec![
            cut,
            Fault::StoreTwice,
            Fault::Honest,
            Fault::TokenExpires,
        ]),
        Options::default(),
    );
    let mut client = Plain::new(&fake);
    let (_, body) = client
        .json(
            client
                .post("/api/token/refresh")
                .json(&json!({"refresh": fake.pat()})),
        )
        .await;
    client.token = format!("Bearer {}", body["access"].as_str().expect("a token"));
    assert_eq!(client.upload(&tasks(0, 3)).await, None);
    assert!(fake.project(1).uploads.is_empty());
    assert!(
        client.upload(&tasks(0, 3)).await.is_some_and(
            |(status, body)| status == 201 && body.contains(r#""file_upload_ids":[2]"#)
        )
    );
    let names: BTreeSet<String> = fake
        .project(1)
        .uploads
        .iter()
        .map(|one| one.name().to_owned())
        .collect();
    assert_eq!((fake.project(1).uploads.len(), names.len()), (2, 1));
    assert!(
        client
            .reimport(2)
            .await
            .is_some_and(|(status, _)| status == 201)
    );
    assert!(
        client
            .upload(&tasks(0, 3))
            .await
            .is_some_and(|(status, body)| status == 401 && body.contains("not provided"))
    );
    let seen: Vec<_> = fake.faults_seen().into_iter().collect();
    assert_eq!(
        seen,
        [("cut upload", 1), ("store twice", 1), ("token expires", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn overlapping_reimports_store_twice() {
    let fake = Fake::start(
        Faults::none(),
        Options {
            task_time: Duration::from_secs(1),
            ..legacy()
        },
    );
    let client = Plain::new(&fake);
    client.upload(&tasks(1, 2)).await;
    let late = async {
        sleep(Duration::from_millis(700)).await;
        client.reimport(1).await
    };
    let (first, second) = futures::future::join(client.reimport(1), late).await;
    assert!(first.is_some() && second.is_some());
    assert_eq!(client.count(1).await, Some(4));
    assert!(no_overlap(&fake.history()).is_err());
    assert!(spaced(&fake.history(), Duration::from_secs(30)).is_err());
    assert_eq!(attempts(&fake.history()).len(), 2);
    sleep(Duration::from_secs(30)).await;
    client.reimport(1).await;
    assert_eq!(client.count(1).await, Some(2));
    assert!(spaced(&fake.history()[2..], Duration::from_secs(30)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_does_not_stop_the_work() {
    let fake = Fake::start(
        Faults::none(),
        Options {
            task_time: Duration::from_secs(1),
            ..legacy()
        },
    );
    let client = Plain::new(&fake);
    client.upload(&tasks(1, 2)).await;
    let patience = tokio::time::timeout(Duration::from_secs(1), client.reimport(1)).await;
    assert!(patience.is_err());
    assert_eq!(client.count(1).await, Some(0));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(client.count(1).await, Some(2));
    fake.stop().await;
    assert_eq!(client.count(1).await, None);
    fake.restart().await;
    assert_eq!(client.count(1).await, Some(2));
    assert_eq!(fake.project(1).tasks_of(1).len(), 2);
}

#[test]
fn serves_other_runtimes_from_a_thread() {
    let fake = Fake::on_thread(
        Faults::script(vec![Fault::Restart {
            stores: true,
            down: Duration::ZERO,
        }]),
        legacy(),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = Plain::new(&fake);
        assert_eq!(client.upload(&tasks(0, 2)).await, None);
        while client.uploads().await.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            client.reimport(1).await.map(|(status, _)| status),
            Some(201)
        );
        fake.stop().await;
        assert_eq!(client.count(1).await, None);
        fake.restart().await;
        while client.count(1).await != Some(2) {
            sleep(Duration::from_millis(5)).await;
        }
    });
}

/// The recommended loop, as short as it can be: what a client of ours must at least be able to do.
async fn import_all(fake: &Fake, batches: &[Value], interval: Duration) {
    let client = Plain::new(fake);
    let doubt = Duration::from_secs(25);
    let mut next = Instant::now();
    let mut turn = async || {
        tokio::time::sleep_until(next).await;
        next = Instant::now() + interval;
    };
    for (number, batch) in batches.iter().enumerate() {
        let name = format!("batch-{number:04}.json");
        let count = list(batch).len() as u64;
        let extras = |of: &str| {
            list(batch)
                .iter()
                .filter(|task| task.get(of).is_some())
                .count()
        };
        let id = loop {
            turn().await;
            let request = client.file(
                "/api/projects/1/import?commit_to_project=false",
                &name,
                batch.to_string(),
            );
            if let Some((201, _)) = client.send(request).await
                && let Some(uploads) = client.uploads().await
                && let Some(ours) = uploads.iter().find(|one| {
                    one["file"]
                        .as_str()
                        .is_some_and(|file| file.ends_with(&name))
                })
            {
                break ours["id"].as_u64().expect("an id");
            }
        };
        let mut first = true;
        loop {
            if !first {
                turn().await;
            }
            first = false;
            let reply = client.reimport(id).await;
            let clean = reply.as_ref().is_some_and(|(status, body)| {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                let same = |of: &str, count: usize| body[of].as_u64() == Some(count as u64);
                *status == 201
                    && same("annotation_count", extras("annotations"))
                    && same("prediction_count", extras("predictions"))
            });
            if !clean {
                sleep(doubt).await;
            }
            let mut there = client.count(id).await;
            while there.is_none() {
                sleep(Duration::from_secs(5)).await;
                there = client.count(id).await;
            }
            if clean && there == Some(count) {
                break;
            }
        }
    }
}

/// More by `FAKE_SEEDS`.
fn seeds() -> u64 {
    std::env::var("FAKE_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60)
}

#[tokio::test(start_paused = true)]
async fn a_careful_client_gets_all_in_once_whatever_the_seed() {
    let interval = Duration::from_secs(30);
    let mut seen = BTreeSet::new();
    for seed in 0..seeds() {
        let fake = Fake::start(Faults::from_seed(seed), legacy());
        let batches: Vec<Value> = (0..20).map(|i| tasks(100 * i, 3 + i % 5)).collect();
        let all: Vec<Value> = batches
            .iter()
            .flat_map(|batch| list(batch).to_vec())
            .collect();
        import_all(&fake, &batches, interval).await;
        let history = fake.history();
        fake.stored_equals(&all)
            .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        no_overlap(&history).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        spaced(&history, interval).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        let faults = fake.faults_seen();
        assert!(
            faults.values().sum::<usize>() >= 5,
            "seed {seed}: {faults:?}"
        );
        // A request that nothing went wrong with has an answer: the clock did not run away from the wire.
        let lost = history
            .iter()
            .find(|request| request.fault.is_none() && request.status.is_none());
        assert!(
            lost.is_none_or(|_| faults.contains_key("restart")),
            "seed {seed}: {lost:?}"
        );
        seen.extend(faults.into_keys());
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_clock_waits_for_the_wire() {
    let fake = Fake::start(Faults::none(), legacy());
    let client = Plain {
        http: Client::builder()
            .timeout(Duration::from_secs(2))
            .build()
            .expect("a client"),
        ..Plain::new(&fake)
    };
    let big = tasks(0, 2000);
    for _ in 0..50 {
        assert!(client.upload(&big).await.is_some());
        sleep(Duration::from_mins(10)).await;
    }
}
