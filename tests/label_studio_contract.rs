//! What this program relies on in Label Studio, asked of a real server: a new version that changes it fails here.
//!
//! Nothing of this crate is used. The server is started once for all tests by `scripts/label-studio` and ends with this
//! process. The tests take turns: a server has one writer at a time.

#[path = "common/real_label_studio.rs"]
mod real_label_studio;

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, MutexGuard};

use real_label_studio::{CONFIG, Real};

static SERVER: LazyLock<Result<Real, String>> = LazyLock::new(|| Real::start("sqlite", "contract"));
static TURN: Mutex<()> = Mutex::const_new(());

/// A new project at the server, and the server to itself.
struct Project {
    server: &'static Real,
    http: Client,
    id: u64,
    _turn: MutexGuard<'static, ()>,
}

type Reply = (u16, Value);

impl Project {
    async fn new() -> Project {
        let turn = TURN.lock().await;
        let server = match &*SERVER {
            Ok(server) => server,
            Err(why) => panic!("{why}"),
        };
        let mut project = Project {
            server,
            http: Client::new(),
            id: 0,
            _turn: turn,
        };
        let body = json!({"title": "contract", "label_config": CONFIG});
        let (status, body) = project
            .send(project.post("/api/projects").json(&body))
            .await;
        assert_eq!(status, 201, "{body}");
        project.id = body["id"].as_u64().expect("a number");
        project
    }

    fn url(&self, path: &str) -> String {
        format!(
            "{}{}",
            self.server.url,
            path.replace("PROJECT", &self.id.to_string())
        )
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(path))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.url(path))
    }

    async fn send_as(&self, authorization: &str, request: RequestBuilder) -> Reply {
        let request = if authorization.is_empty() {
            request
        } else {
            request.header(AUTHORIZATION, authorization)
        };
        let reply = request.send().await.expect("an answer");
        let status = reply.status().as_u16();
        let text = reply.text().await.expect("text");
        (
            status,
            serde_json::from_str(&text).unwrap_or_else(|_| text.into()),
        )
    }

    async fn send(&self, request: RequestBuilder) -> Reply {
        self.send_as(&format!("Token {}", self.server.token), request)
            .await
    }

    /// Sends a file by the first phase, or at once.
    async fn file(&self, query: &str, name: &str, body: &str) -> Reply {
        let form = Form::new().part(
            "file",
            Part::text(body.to_owned()).file_name(name.to_owned()),
        );
        self.send(
            self.post(&format!("/api/projects/PROJECT/import{query}"))
                .multipart(form),
        )
        .await
    }

    /// The first phase: the number of the upload.
    async fn upload(&self, body: &str) -> u64 {
        let (status, reply) = self
            .file("?commit_to_project=false", "batch-0001-abc123.json", body)
            .await;
        assert_eq!(status, 201, "{reply}");
        assert!(
            reply["annotation_count"].is_null() && reply["prediction_count"].is_null(),
            "{reply}"
        );
        reply["file_upload_ids"][0].as_u64().expect("a number")
    }

    /// The second phase.
    async fn reimport(&self, upload: u64) -> Reply {
        let body = json!({"file_upload_ids": [upload], "files_as_tasks_list": true});
        self.send(self.post("/api/projects/PROJECT/reimport").json(&body))
            .await
    }

    async fn tasks_of(&self, upload: u64, size: usize, page: usize) -> Reply {
        let query = json!({ "filters": filters(upload) }).to_string();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", &query)
            .finish();
        let id = self.id;
        self.send(self.get(&format!(
            "/api/tasks?project={id}&page_size={size}&page={page}&fields=all&{query}"
        )))
        .await
    }

    async fn count(&self, upload: u64) -> u64 {
        let (status, reply) = self.tasks_of(upload, 1, 1).await;
        assert_eq!(status, 200, "{reply}");
        reply["total"].as_u64().expect("a count")
    }

    /// How many tasks the project has, whatever they come of.
    async fn total(&self) -> u64 {
        let (_, reply) = self.send(self.get("/api/projects/PROJECT")).await;
        reply["task_number"].as_u64().unwrap_or(0)
    }
}

fn filters(upload: u64) -> Value {
    let item = json!({"filter": "filter:tasks:file_upload_id", "operator": "equal", "type": "Number", "value": upload});
    json!({"conjunction": "and", "items": [item]})
}

fn counts(reply: &Value) -> [Option<u64>; 3] {
    ["task_count", "annotation_count", "prediction_count"].map(|name| reply[name].as_u64())
}

/// Three tasks, one with all that a task can have.
fn annotated() -> Value {
    let result = json!([{"from_name": "c", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}]);
    json!([
        {"data": {"text": "one", "n": 1.5}, "meta": {"place": "a.csv:1"},
         "annotations": [{"result": result}], "predictions": [{"result": result, "score": 0.5, "model_version": "m"}]},
        {"data": {"text": "two"}},
        {"data": {"text": "three"}, "meta": {"place": "a.csv:3"}},
    ])
}

#[tokio::test]
async fn it_is_the_version_that_was_measured() {
    let project = Project::new().await;
    let (status, body) = project.send_as("", project.get("/api/version")).await;
    assert_eq!((status, &body["release"]), (200, &"1.23.2".into()));
    let (status, body) = project.send_as("", project.get("/health")).await;
    assert_eq!((status, &body), (200, &json!({"status": "UP"})));
}

#[tokio::test]
async fn two_phases_store_once_however_often() {
    let project = Project::new().await;
    let upload = project.upload(&annotated().to_string()).await;
    assert_eq!((project.count(upload).await, project.total().await), (0, 0));
    for _ in 0..2 {
        let (status, reply) = project.reimport(upload).await;
        assert_eq!(
            (status, counts(&reply)),
            (201, [Some(3), Some(1), Some(1)]),
            "{reply}"
        );
        assert_eq!((project.count(upload).await, project.total().await), (3, 3));
    }
    let (_, reply) = project.tasks_of(upload, 10, 1).await;
    let mut tasks = reply["tasks"].as_array().expect("a list").clone();
    tasks.sort_by_key(|task| task["id"].as_u64());
    for (stored, sent) in tasks.iter().zip(annotated().as_array().expect("a list")) {
        assert_eq!(stored["data"], sent["data"]);
        assert_eq!(
            stored["meta"].get("place"),
            sent["meta"].get("place"),
            "{stored}"
        );
        for parts in ["annotations", "predictions"] {
            let count = |task: &Value| task[parts].as_array().map_or(0, Vec::len);
            assert_eq!(count(stored), count(sent));
            assert_eq!(stored[parts][0]["result"], sent[parts][0]["result"]);
        }
    }
    assert_eq!(
        (
            &tasks[0]["predictions"][0]["score"],
            &tasks[0]["predictions"][0]["model_version"]
        ),
        (&0.5.into(), &"m".into())
    );
    let (status, reply) = project.tasks_of(upload, 2, 3).await;
    assert_eq!((status, &reply["detail"]), (404, &"Invalid page.".into()));
}

#[tokio::test]
async fn a_reimport_of_nothing_is_no_error() {
    let project = Project::new().await;
    let (status, reply) = project.reimport(987_654_321).await;
    assert_eq!((status, counts(&reply)), (201, [Some(0); 3]), "{reply}");
    let body = json!({"file_upload_ids": [], "files_as_tasks_list": true});
    let (status, reply) = project
        .send(project.post("/api/projects/PROJECT/reimport").json(&body))
        .await;
    assert_eq!((status, counts(&reply)), (200, [Some(0); 3]), "{reply}");
}

#[tokio::test]
async fn a_reimport_that_fails_stores_nothing() {
    let project = Project::new().await;
    let upload = project
        .upload(r#"[{"text":"a"},{"txt":"b"},{"text":"c"}]"#)
        .await;
    let (status, reply) = project.reimport(upload).await;
    let errors = &reply["validation_errors"]["non_field_errors"];
    assert_eq!(
        (status, &errors[0], &errors[2]),
        (400, &json!({}), &json!({})),
        "{reply}"
    );
    assert!(errors[1].as_str().is_some_and(|text| {
        text.starts_with("Error at item 1: \"text\" key is expected in task data")
    }));
    assert_eq!(project.count(upload).await, 0);
}

#[tokio::test]
async fn an_upload_is_found_by_its_name() {
    let project = Project::new().await;
    let first = project.upload(r#"[{"text":"a"}]"#).await;
    let second = project.upload(r#"[{"text":"a"}]"#).await;
    let (status, list) = project
        .send(project.get("/api/projects/PROJECT/file-uploads?all=true"))
        .await;
    assert_eq!(status, 200);
    for (one, id) in list.as_array().expect("a list").iter().zip([first, second]) {
        assert_eq!(
            (one["id"].as_u64(), one["size"].as_u64()),
            (Some(id), Some(14))
        );
        let file = one["file"].as_str().expect("a name");
        let name = file
            .strip_prefix(&format!("upload/{}/", project.id))
            .expect("the project's folder");
        let (random, name) = name.split_once('-').expect("a prefix");
        assert!(
            random.len() == 8 && random.chars().all(|c| c.is_ascii_hexdigit()),
            "{file}"
        );
        assert_eq!(name, "batch-0001-abc123.json");
    }
    assert_eq!(list.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_refused_file_leaves_its_upload_and_a_refused_name_does_not() {
    let project = Project::new().await;
    assert_eq!(project.file("", "a.json", r#"[{"txt":"a"}]"#).await.0, 400);
    let (status, reply) = project.file("", "a.jsonl", r#"{"text":"a"}"#).await;
    assert_eq!(
        (status, &reply["validation_errors"]["non_field_errors"][0]),
        (400, &".jsonl extension is not supported".into())
    );
    let (_, list) = project
        .send(project.get("/api/projects/PROJECT/file-uploads?all=true"))
        .await;
    assert_eq!(
        (list.as_array().map(Vec::len), project.total().await),
        (Some(1), 0)
    );
}

#[tokio::test]
async fn a_body_without_a_length_is_read_as_empty() {
    let project = Project::new().await;
    let chunks = futures::stream::iter(["[{\"text\":", "\"a\"}]"].map(Ok::<_, std::io::Error>));
    let request = project
        .post("/api/projects/PROJECT/import")
        .header(CONTENT_TYPE, "application/json");
    let (status, reply) = project
        .send(request.body(reqwest::Body::wrap_stream(chunks)))
        .await;
    assert_eq!(status, 400);
    assert!(reply.to_string().contains(":: {}"), "{reply}");
    assert_eq!(project.total().await, 0);
}

#[tokio::test]
async fn the_list_of_bad_items_ends_at_the_hundredth_entry() {
    let project = Project::new().await;
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
        let (status, body) = project
            .send(project.post("/api/projects/PROJECT/import").json(&items))
            .await;
        assert_eq!(status, 400);
        body["validation_errors"]["non_field_errors"]
            .as_array()
            .expect("a list")
            .clone()
    };
    let errors = listed(|i| i % 2 == 0).await;
    assert_eq!(
        (errors.len(), &errors[1], &errors[99]),
        (101, &json!({}), &"...".into())
    );
    assert!(
        errors[100]
            .as_str()
            .is_some_and(|text| text.starts_with("Error at item 100: "))
    );
    let errors = listed(|i| i >= 120).await;
    assert_eq!(
        (errors.len(), &errors[99], &errors[119]),
        (121, &"...".into(), &json!({}))
    );
    let errors = listed(|i| i == 99 || i == 110).await;
    assert_eq!((errors.len(), &errors[99]), (100, &"...".into()));
    assert_eq!(project.total().await, 0);
}

#[tokio::test]
async fn a_number_that_is_none_breaks_the_whole_import() {
    let project = Project::new().await;
    for bad in ["NaN", "Infinity", "1e400"] {
        let body = format!(r#"[{{"text":"a"}},{{"text":"b","n":{bad}}}]"#);
        let upload = project.upload(&body).await;
        let (status, reply) = project.reimport(upload).await;
        assert_eq!(status, 500, "{bad}: {reply}");
        assert!(
            reply["detail"]
                .as_str()
                .is_some_and(|text| !text.contains("item")),
            "{reply}"
        );
        assert_eq!(project.count(upload).await, 0);
    }
}

#[tokio::test]
async fn a_lone_surrogate_breaks_the_whole_project() {
    let project = Project::new().await;
    let upload = project.upload(r#"[{"text":"a"},{"text":"\ud800"}]"#).await;
    assert_eq!(project.reimport(upload).await.0, 201);
    assert_eq!(project.tasks_of(upload, 10, 1).await.0, 500);
}

#[tokio::test]
async fn tasks_are_deleted_by_upload() {
    let project = Project::new().await;
    let (first, second) = (
        project.upload(r#"[{"text":"a"},{"text":"b"}]"#).await,
        project.upload(r#"[{"text":"c"}]"#).await,
    );
    for upload in [first, second] {
        assert_eq!(project.reimport(upload).await.0, 201);
    }
    let id = project.id.to_string();
    let body = json!({"project": id, "selectedItems": {"all": true, "excluded": []}, "filters": filters(first)});
    let (status, reply) = project
        .send(
            project
                .post(&format!("/api/dm/actions?id=delete_tasks&project={id}"))
                .json(&body),
        )
        .await;
    assert_eq!(
        (status, &reply["processed_items"]),
        (200, &2.into()),
        "{reply}"
    );
    assert_eq!(
        (project.count(first).await, project.count(second).await),
        (0, 1)
    );

    let request = project
        .http
        .delete(project.url("/api/projects/PROJECT/file-uploads"));
    let (status, reply) = project
        .send(request.json(&json!({"file_upload_ids": [second]})))
        .await;
    assert_eq!((status, &reply), (200, &json!({"deleted": 1})));
    assert_eq!((project.count(second).await, project.total().await), (0, 1));
}

#[tokio::test]
async fn an_unknown_project_is_a_page_for_imports_and_json_for_reading() {
    let project = Project::new().await;
    let (status, reply) = project
        .send(
            project
                .post("/api/projects/987654/import")
                .json(&json!([{"text": "a"}])),
        )
        .await;
    assert!(
        status == 404
            && reply
                .as_str()
                .is_some_and(|page| page.contains("<!doctype html>")),
        "{status}"
    );
    let (status, reply) = project.send(project.get("/api/projects/987654")).await;
    assert_eq!(
        (status, &reply["detail"]),
        (404, &"No Project matches the given query.".into())
    );
}

#[tokio::test]
async fn an_access_token_lives_300_seconds() {
    let project = Project::new().await;
    let pat = &project.server.pat;
    let refresh = |token: &str| {
        project
            .post("/api/token/refresh")
            .json(&json!({ "refresh": token }))
    };
    let (status, reply) = project.send_as("", refresh(pat)).await;
    let access = reply["access"].as_str().expect("a token").to_owned();
    assert_eq!(status, 200);
    let claims = claims(&access);
    let lives = claims["exp"]
        .as_u64()
        .zip(claims["iat"].as_u64())
        .map(|(end, start)| end - start);
    assert_eq!(
        (lives, &claims["token_type"]),
        (Some(300), &"access".into())
    );

    let read = || project.get("/api/projects/PROJECT");
    assert_eq!(
        project.send_as(&format!("Bearer {access}"), read()).await.0,
        200
    );
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let valid = sign(&project, &claims, now + 60);
    assert_eq!(
        project.send_as(&format!("Bearer {valid}"), read()).await.0,
        200,
        "tokens signed here are not taken"
    );
    let ended = sign(&project, &claims, now - 1);
    let nobody = "Authentication credentials were not provided.";
    let cases = [
        (format!("Bearer {ended}"), nobody),
        (format!("Bearer {pat}"), nobody),
        ("Bearer x".to_owned(), nobody),
        (String::new(), nobody),
        (format!("Token {pat}"), "Invalid token."),
        ("Token x".to_owned(), "Invalid token."),
    ];
    for (authorization, detail) in cases {
        let (status, reply) = project.send_as(&authorization, read()).await;
        assert_eq!((status, &reply["detail"]), (401, &detail.into()), "{reply}");
    }
    for (token, detail) in [("x", "Token is invalid"), (&access, "Token has wrong type")] {
        let (status, reply) = project.send_as("", refresh(token)).await;
        assert_eq!((status, &reply["detail"]), (401, &detail.into()), "{reply}");
    }
}

fn claims(token: &str) -> Value {
    let middle = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(middle).expect("base64")).expect("JSON")
}

/// The same token with another end: this server's key is in its folder. (Waiting would take five minutes.)
fn sign(project: &Project, claims: &Value, end: u64) -> String {
    let key = std::fs::read_to_string(project.server.data().join("secret_key"))
        .expect("the server's key");
    let key = key.trim();
    let mut claims = claims.clone();
    claims["exp"] = end.into();
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signed = format!(
        "{}.{}",
        encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        encode(&claims.to_string())
    );
    format!(
        "{signed}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(hmac(key.as_bytes(), signed.as_bytes()))
    )
}

/// HMAC of SHA-256; the key is at most a block.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(byte, key)| *byte ^= key);
        block
    };
    assert!(key.len() <= 64, "the key is longer than a block");
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}
