//! The Label Studio client against a server that gives the contract's answers byte for byte, and breaks connections
//! where one does.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluice::label_studio::Counts;
use sluice::label_studio::address::Address;
use sluice::label_studio::client::Client;
use sluice::label_studio::content::Content;
use sluice::label_studio::failure::{Denied, Failure};
use sluice::label_studio::project::Project;
use sluice::label_studio::projects::{self, NewProject};
use sluice::label_studio::settings::Settings;
use sluice::label_studio::token::Token;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LEGACY: &str = "0123456789abcdef0123456789abcdef01234567";

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    line: String,
    headers: String,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .headers
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What the server does with a request.
enum Reply {
    /// An answer with its status, more headers, and its body.
    Answer(u16, &'static str, String),
    /// These bytes, and the end of the connection.
    Raw(&'static str),
    /// Nothing for a long time.
    Silence,
}

fn ok(body: &Value) -> Reply {
    Reply::Answer(200, "", body.to_string())
}

fn created(body: &Value) -> Reply {
    Reply::Answer(
        201,
        "Set-Cookie: sessionid=abc; Path=/\r\n",
        body.to_string(),
    )
}

fn error(status: u16, detail: &str) -> Reply {
    let body = json!({"id": "0b1c", "status_code": status, "version": "1.23.2", "detail": detail, "exc_info": null});
    Reply::Answer(status, "", body.to_string())
}

/// A server, and what it has seen.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// One whose answers come from `reply`, which is told how many requests came before.
    async fn start(reply: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (reply, log) = (Arc::new(reply), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, log) = (Arc::clone(&reply), Arc::clone(&log));
                tokio::spawn(async move { serve(stream, &*reply, &log).await });
            }
        });
        Server { port, seen }
    }

    fn project(&self, token: &str) -> Project {
        self.project_with(token, settings())
    }

    fn project_with(&self, token: &str, settings: Settings) -> Project {
        let address = Address::parse(&format!("http://127.0.0.1:{}/ls/projects/6", self.port))
            .expect("an address");
        let token = Token::parse(token, "the test").expect("a token");
        Project::new(
            Client::new(&address, token, settings).expect("a client"),
            &address,
        )
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic").clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen()
            .into_iter()
            .map(|request| request.line)
            .collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: &(dyn Fn(usize, &Request) -> Reply + Send + Sync),
    log: &Mutex<Vec<Request>>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let number = {
        let mut log = log.lock().expect("no panic");
        log.push(request.clone());
        log.len() - 1
    };
    let bytes = match reply(number, &request) {
        Reply::Answer(status, headers, body) => {
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        }
        Reply::Raw(bytes) => bytes.to_owned(),
        Reply::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            String::new()
        }
    };
    let _ = stream.write_all(bytes.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A request with the body that its `Content-Length` announces, and none without: what the real server does.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
    let (line, headers) = head.split_once("\r\n").expect("headers");
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    let mut request = Request {
        line,
        headers: headers.to_owned(),
        body: bytes[end + 4..].to_vec(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().expect("a number"));
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(request)
}

fn settings() -> Settings {
    Settings {
        poll_interval: Duration::from_millis(1),
        import_timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}

fn jwt(payload: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!(
        "{}.{}.{}",
        part(r#"{"alg":"HS256","typ":"JWT"}"#),
        part(&payload.to_string()),
        part(&"s".repeat(32))
    )
}

fn personal() -> String {
    jwt(
        &json!({"token_type": "refresh", "exp": 8_051_459_812_u64, "iat": 1_744_259_812, "user_id": 1}),
    )
}

/// The `number`th access token; the server's clock is years behind, which must not matter.
fn access(number: usize) -> String {
    jwt(&json!({"token_type": "access", "exp": 1_000_000_300, "iat": 1_000_000_000, "jti": number}))
}

const TASKS: &str = r#"[{"data":{"text":"a"}},{"data":{"text":"b"}},{"data":{"text":"c"}}]"#;

fn uploaded() -> Value {
    json!({"task_count": 3, "annotation_count": null, "prediction_count": null, "duration": 0.02, "file_upload_ids": [11],
        "could_be_tasks_list": true, "found_formats": {".json": 1}, "data_columns": ["text"]})
}

fn committed() -> Value {
    json!({"task_count": 3, "annotation_count": 3, "prediction_count": 2, "duration": 0.05, "file_upload_ids": [11],
        "found_formats": {".json": 1}, "data_columns": ["text"]})
}

/// No form of a failure shows a secret.
fn assert_silent(failure: &Failure, secrets: &[&str]) {
    let error = failure.clone().into_error();
    for shown in [
        format!("{failure:?}"),
        format!("{error:?}"),
        error.to_string(),
    ] {
        for secret in secrets {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test]
async fn an_upload_says_its_length_and_a_commit_names_it() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "POST /ls/api/projects/6/import?commit_to_project=false" => created(&uploaded()),
        "POST /ls/api/projects/6/reimport" => created(&committed()),
        line => panic!("{line}"),
    })
    .await;
    let project = server.project(LEGACY);
    let upload = project
        .upload("import 000001-abc.json", TASKS.as_bytes().to_vec())
        .await
        .expect("taken");
    assert_eq!(
        (upload.id, upload.name.as_str(), upload.tasks),
        (11, "import_000001-abc.json", 3)
    );
    let counts = project.commit(upload.id).await.expect("done");
    assert_eq!(
        counts,
        Counts {
            tasks: 3,
            annotations: 3,
            predictions: 2
        }
    );

    let seen = server.seen();
    for request in &seen {
        assert_eq!(
            request.header("authorization"),
            Some(format!("Token {LEGACY}").as_str())
        );
        assert_eq!(
            request.header("content-length"),
            Some(request.body.len().to_string().as_str())
        );
        assert_eq!(
            (
                request.header("transfer-encoding"),
                request.header("cookie")
            ),
            (None, None)
        );
        assert!(
            request
                .header("user-agent")
                .expect("named")
                .starts_with("sluice/")
        );
    }
    let form = String::from_utf8(seen[0].body.clone()).expect("text");
    assert!(
        form.contains(r#"name="file"; filename="import_000001-abc.json""#),
        "{form}"
    );
    assert!(form.contains(&format!("\r\n\r\n{TASKS}\r\n--")), "{form}");
    assert_eq!(seen[1].header("content-type"), Some("application/json"));
    assert_eq!(
        seen[1].json(),
        json!({"file_upload_ids": [11], "files_as_tasks_list": true})
    );
}

#[tokio::test]
async fn a_large_body_and_a_file_arrive_whole() {
    let server = Server::start(|_, _| created(&uploaded())).await;
    let project = server.project(LEGACY);
    let body: Vec<u8> = (0..3_000_000_u32).map(|i| b'a' + (i % 23) as u8).collect();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&body).expect("written");
    project
        .upload("memory.json", body.clone())
        .await
        .expect("taken");
    project
        .upload("file.json", Content::file(file.path()).expect("there"))
        .await
        .expect("taken");
    for request in server.seen() {
        assert_eq!(
            request.header("content-length"),
            Some(request.body.len().to_string().as_str())
        );
        assert_eq!(request.header("transfer-encoding"), None);
        let start = request
            .body
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a part")
            + 4;
        assert_eq!(&request.body[start..start + body.len()], &body);
    }
    let gone = Content::file(file.path()).expect("there");
    drop(file);
    let failure = project
        .upload("gone.json", gone)
        .await
        .expect_err("no file");
    assert!(matches!(failure, Failure::NotSent { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_personal_token_is_exchanged_once_and_again_when_it_has_aged() {
    let server = Server::start(|number, request| match request.line.as_str() {
        "POST /ls/api/token/refresh" => ok(&json!({"access": access(number)})),
        line if line.contains("/import?") => created(&uploaded()),
        line if line.contains("/reimport") => created(&committed()),
        _ => ok(&json!({"id": 6})),
    })
    .await;
    let project = server.project(&personal());
    let exchanges = || {
        server
            .lines()
            .iter()
            .filter(|line| line.ends_with("token/refresh"))
            .count()
    };
    let pass = async |seconds| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    project.about().await.expect("there");
    project
        .upload("a.json", TASKS.as_bytes().to_vec())
        .await
        .expect("taken");
    project.commit(11).await.expect("done");
    assert_eq!(exchanges(), 1);
    // An upload wants a token that outlives it; a short request takes an older one.
    pass(61).await;
    project.about().await.expect("there");
    assert_eq!(exchanges(), 1);
    project
        .upload("a.json", TASKS.as_bytes().to_vec())
        .await
        .expect("taken");
    assert_eq!(exchanges(), 2);
    pass(241).await;
    project.about().await.expect("there");
    assert_eq!(exchanges(), 3);
    // Two at once exchange it once.
    pass(61).await;
    let upload = |name| project.upload(name, TASKS.as_bytes().to_vec());
    let (first, second) = tokio::join!(upload("a.json"), upload("b.json"));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(exchanges(), 4);

    let seen = server.seen();
    assert_eq!(seen[0].json(), json!({"refresh": personal()}));
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(
        seen[1].header("authorization"),
        Some(format!("Bearer {}", access(0)).as_str())
    );
}

#[tokio::test]
async fn a_401_is_answered_with_a_new_access_token_once() {
    let absent = "Authentication credentials were not provided.";
    let server = Server::start(move |number, request| match request.line.as_str() {
        "POST /ls/api/token/refresh" => ok(&json!({"access": access(number)})),
        "POST /ls/api/projects/6/reimport"
            if request.header("authorization") == Some(&format!("Bearer {}", access(2))) =>
        {
            created(&committed())
        }
        _ => error(401, absent),
    })
    .await;
    let project = server.project(&personal());
    assert_eq!(project.commit(11).await.expect("done").tasks, 3);
    let lines = server.lines();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.ends_with("/reimport"))
            .count(),
        2
    );

    let failure = project
        .upload("a.json", TASKS.as_bytes().to_vec())
        .await
        .expect_err("never");
    assert!(
        matches!(failure, Failure::Unauthorized(Denied::NotSeen { .. })),
        "{failure:?}"
    );
    assert!(!failure.leaves_doubt() && !failure.is_passing());
    assert_eq!(
        server
            .lines()
            .iter()
            .filter(|line| line.contains("/import?"))
            .count(),
        2
    );
    assert_silent(&failure, &[&personal(), &access(0), &access(2)]);
}

#[tokio::test]
async fn each_cause_of_a_401_is_told() {
    let disabled = "Authentication token no longer valid: legacy token authentication has been disabled for this organization";
    for (token, answers, denied, words) in [
        (
            LEGACY.to_owned(),
            "Invalid token.",
            Denied::WrongToken,
            "does not know the token",
        ),
        (
            LEGACY.to_owned(),
            disabled,
            Denied::LegacyDisabled,
            "personal access token",
        ),
        (
            LEGACY.to_owned(),
            "User inactive or deleted.",
            Denied::Other("User inactive or deleted.".into()),
            "inactive",
        ),
        (
            personal(),
            "Token is invalid",
            Denied::Personal { expired: false },
            "revoked",
        ),
        (
            jwt(&json!({"token_type": "refresh", "exp": 1_000})),
            "Token is invalid",
            Denied::Personal { expired: true },
            "expired",
        ),
    ] {
        let server = Server::start(move |_, _| error(401, answers)).await;
        let failure = server
            .project(&token)
            .commit(11)
            .await
            .expect_err("refused");
        assert_eq!(failure, Failure::Unauthorized(denied));
        assert_silent(&failure, &[&token]);
        let error = failure.into_error();
        assert_eq!(
            (error.code().as_str(), error.exit_code()),
            ("unauthorized", 6)
        );
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_failed_exchange_says_that_the_request_was_not_sent() {
    let server = Server::start(|_, _| {
        Reply::Answer(
            502,
            "",
            "<html><title>502 Bad Gateway</title></html>".into(),
        )
    })
    .await;
    let failure = server
        .project(&personal())
        .commit(11)
        .await
        .expect_err("refused");
    assert!(
        matches!(&failure, Failure::NotSent { cause } if cause.contains("502 Bad Gateway")),
        "{failure:?}"
    );
    let server = Server::start(|_, _| Reply::Answer(200, "", "<html>welcome</html>".into())).await;
    let failure = server
        .project(&personal())
        .commit(11)
        .await
        .expect_err("refused");
    assert!(
        matches!(&failure, Failure::Unexpected { status: 200, excerpt } if excerpt == "welcome"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn every_5xx_and_every_broken_connection_leaves_a_commit_in_doubt() {
    let page = |status: u16| {
        Reply::Answer(
            status,
            "Content-Type: text/html\r\n",
            format!("<h1>Error ({status})</h1><p>locked"),
        )
    };
    let replies: Vec<(Box<dyn Fn() -> Reply + Send + Sync>, Option<u16>)> = vec![
        (Box::new(move || page(500)), Some(500)),
        (Box::new(move || page(502)), Some(502)),
        (Box::new(move || page(504)), Some(504)),
        (Box::new(|| error(500, "too many SQL variables")), Some(500)),
        (
            Box::new(|| Reply::Answer(503, "", String::new())),
            Some(503),
        ),
        (
            Box::new(|| Reply::Answer(408, "", String::new())),
            Some(408),
        ),
        // Cut before the answer, within its head, and within its body.
        (Box::new(|| Reply::Raw("")), None),
        (
            Box::new(|| Reply::Raw("HTTP/1.1 201 Created\r\nContent-Le")),
            None,
        ),
        (
            Box::new(|| {
                Reply::Raw("HTTP/1.1 201 Created\r\nContent-Length: 90\r\n\r\n{\"task_count\":3,")
            }),
            Some(201),
        ),
        // A good status, and no counts.
        (
            Box::new(|| Reply::Answer(201, "", "<html>ok</html>".into())),
            Some(201),
        ),
        (
            Box::new(|| created(&json!({"task_count": null}))),
            Some(201),
        ),
    ];
    for (reply, expected) in replies {
        let server = Server::start(move |_, _| reply()).await;
        let failure = server
            .project(LEGACY)
            .commit(11)
            .await
            .expect_err("no counts");
        let Failure::Unknown { status, doubt, .. } = &failure else {
            panic!("{failure:?}")
        };
        assert_eq!((*status, *doubt), (expected, true), "{failure:?}");
        assert!(failure.leaves_doubt());
        assert_eq!(server.seen().len(), 1, "{failure:?}");
        assert_silent(&failure, &[LEGACY]);
        assert_eq!(failure.into_error().exit_code(), 7);

        // The same of an upload puts no task in doubt.
        let failure = server
            .project(LEGACY)
            .upload("a.json", vec![b'x'; 9])
            .await
            .expect_err("no id");
        assert!(!failure.leaves_doubt(), "{failure:?}");
        assert_eq!(server.seen().len(), 2, "{failure:?}");
    }
}

#[tokio::test]
async fn silence_leaves_a_commit_in_doubt_and_no_server_does_not() {
    let server = Server::start(|_, _| Reply::Silence).await;
    let settings = Settings {
        import_timeout: Duration::from_millis(200),
        ..settings()
    };
    let failure = server
        .project_with(LEGACY, settings)
        .commit(11)
        .await
        .expect_err("silence");
    let Failure::Unknown {
        status: None,
        doubt: true,
        after,
        cause,
    } = &failure
    else {
        panic!("{failure:?}")
    };
    assert!(
        *after >= Duration::from_millis(200) && cause.contains("timed out"),
        "{failure:?}"
    );

    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .local_addr()
        .expect("bound")
        .port();
    let gone = Server {
        port,
        seen: Arc::default(),
    };
    let failure = gone.project(LEGACY).commit(11).await.expect_err("nobody");
    assert!(matches!(failure, Failure::NotSent { .. }), "{failure:?}");
    assert_eq!(failure.into_error().exit_code(), 5);

    // TLS to a server that does not speak it.
    let address = Address::parse(&format!("https://127.0.0.1:{}/projects/6", server.port))
        .expect("an address");
    let token = Token::parse(LEGACY, "the test").expect("a token");
    let client = Client::new(
        &address,
        token,
        Settings {
            connect_timeout: Duration::from_millis(300),
            ..self::settings()
        },
    );
    let failure = Project::new(client.expect("a client"), &address)
        .commit(11)
        .await
        .expect_err("no TLS");
    assert!(matches!(failure, Failure::NotSent { .. }), "{failure:?}");
}

#[tokio::test]
async fn refusals_are_told_apart_and_prove_that_nothing_was_done() {
    let not_found = "<!doctype html><html><body><h1>Not Found</h1></body></html>";
    for (status, headers, body, words, code) in [
        (
            413,
            "",
            "<html><title>413 Request Entity Too Large</title></html>",
            "413 Request Entity Too Large",
            "server-refused",
        ),
        (
            429,
            "Retry-After: 17\r\n",
            "",
            "17.0 s",
            "server-unreachable",
        ),
        (503, "Retry-After: 3\r\n", "", "3.0 s", "server-unreachable"),
        (
            403,
            "",
            r#"{"detail":"You do not have permission to perform this action."}"#,
            "permission",
            "unauthorized",
        ),
        (
            404,
            "",
            not_found,
            "`api/projects/6/reimport`: Not Found",
            "project-missing",
        ),
        (
            404,
            "",
            r#"{"detail":"Not found."}"#,
            "Not found.",
            "project-missing",
        ),
        (
            415,
            "",
            r#"{"detail":"Unsupported media type"}"#,
            "415: Unsupported media type",
            "server-refused",
        ),
        (
            302,
            "Location: https://login.example.org/start?state=abc\r\n",
            "",
            "`https://login.example.org/start`",
            "server-refused",
        ),
        (
            400,
            "",
            r#"{"detail":"JSON parse error - Expecting value"}"#,
            "JSON parse error",
            "server-refused",
        ),
    ] {
        let server =
            Server::start(move |_, _| Reply::Answer(status, headers, body.to_owned())).await;
        let failure = server
            .project(LEGACY)
            .commit(11)
            .await
            .expect_err("refused");
        assert!(!failure.leaves_doubt(), "{failure:?}");
        assert_eq!(server.seen().len(), 1);
        let error = failure.into_error();
        assert_eq!(error.code().as_str(), code);
        assert!(error.message().contains(words), "{error}");
    }
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_date() {
    for (headers, expected) in [
        ("Retry-After: 120\r\n", Some(120)),
        (
            "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2015 07:28:45 GMT\r\n",
            Some(45),
        ),
        (
            "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2015 07:00:00 GMT\r\n",
            Some(0),
        ),
        ("Retry-After: soon\r\n", None),
        ("", None),
    ] {
        let server = Server::start(move |_, _| Reply::Answer(429, headers, String::new())).await;
        let failure = server.project(LEGACY).commit(11).await.expect_err("busy");
        assert_eq!(
            failure,
            Failure::Busy {
                retry_after: expected.map(Duration::from_secs)
            }
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_takes_no_token_along() {
    let other = Server::start(|_, _| ok(&json!({"id": 6}))).await;
    let to: &'static str = format!(
        "Location: http://127.0.0.1:{}/api/projects/6\r\n",
        other.port
    )
    .leak();
    let server = Server::start(move |_, _| Reply::Answer(307, to, String::new())).await;
    let failure = server.project(LEGACY).about().await.expect_err("elsewhere");
    assert!(
        matches!(&failure, Failure::Moved { to } if to.contains(&other.port.to_string())),
        "{failure:?}"
    );
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn what_the_server_repeats_of_the_secrets_is_not_shown() {
    // Right up to where an excerpt is cut off.
    let body = format!(
        "{} Bearer {} Token {LEGACY} {}",
        "x".repeat(240),
        access(0),
        personal()
    );
    let server = Server::start(move |number, _| match number {
        0 => ok(&json!({"access": access(0)})),
        1 => Reply::Answer(500, "", body.clone()),
        _ => Reply::Answer(418, "", body.clone()),
    })
    .await;
    let project = server.project(&personal());
    for _ in 0..2 {
        let failure = project.commit(11).await.expect_err("an error");
        assert_silent(
            &failure,
            &[&access(0), &personal(), &access(0)[..30], &personal()[..30]],
        );
    }
    assert_silent(
        &project.commit(11).await.expect_err("an error"),
        &[&access(0)[..30]],
    );
    for shown in [format!("{project:?}"), format!("{:#?}", project.client())] {
        assert!(
            !shown.contains(&personal()) && !shown.contains(&access(0)),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_400_names_the_bad_tasks() {
    let invalid = |errors: Value| {
        let body = json!({"id": "0b1c", "status_code": 400, "version": "1.23.2", "detail": "Validation error",
            "exc_info": null, "validation_errors": errors});
        Reply::Answer(400, "", body.to_string())
    };
    let mut many = vec![json!({}); 99];
    many[3] = json!("Error at item 3: bad  :: {'txt': 'a'}");
    many.push(json!("..."));
    let mut late = vec![json!({}); 20_000];
    late[99] = json!("...");
    late[19_999] = json!("Error at item 19999: bad  :: {'txt': 'a'}");
    let missing = "Error at item 1: \"text\" key is expected in task data [assume: item as is = task root with values]  :: {'txt': 'a'}";
    let prediction = "Prediction validation failed (1 errors):\n- Task 4, prediction 0: Region 0: Invalid value for control 'c'\n";
    for (errors, expected, is_truncated, looked_at) in [
        (
            json!({"non_field_errors": [{}, missing, {}]}),
            vec![1],
            false,
            3,
        ),
        (json!({"non_field_errors": many}), vec![3, 99], true, 100),
        (
            json!({"non_field_errors": late}),
            vec![19_999],
            true,
            20_000,
        ),
        (
            json!({"non_field_errors": ["load_tasks: No tasks added"]}),
            vec![],
            false,
            0,
        ),
        (json!({"predictions": [prediction]}), vec![4], false, 0),
    ] {
        let server = Server::start(move |_, _| invalid(errors.clone())).await;
        let failure = server
            .project(LEGACY)
            .commit(11)
            .await
            .expect_err("refused");
        let Failure::Invalid {
            detail,
            items,
            truncated,
            checked,
        } = &failure
        else {
            panic!("{failure:?}")
        };
        assert_eq!(
            items.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
            expected
        );
        assert_eq!((*truncated, *checked), (is_truncated, looked_at));
        assert!(
            detail.chars().count() < 330 && !detail.contains("'txt'"),
            "{detail}"
        );
        assert!(!failure.leaves_doubt());
    }
}

#[tokio::test]
async fn what_only_reads_is_asked_again_and_not_for_ever() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Answer(500, "Content-Type: text/html\r\n", "<h1>Server Error (500)</h1>".into()),
        1 => Reply::Raw(""),
        2 => Reply::Answer(429, "Retry-After: 0\r\n", String::new()),
        _ => ok(&json!({"total_annotations": 3, "total_predictions": 2, "total": 4, "tasks": [{"id": 1}]})),
    })
    .await;
    let counts = server.project(LEGACY).count(11).await.expect("counted");
    assert_eq!(
        counts,
        Counts {
            tasks: 4,
            annotations: 3,
            predictions: 2
        }
    );
    let line = server.lines().pop().expect("one");
    let url = url::Url::parse(&format!(
        "http://h{}",
        line.split_once(' ').expect("a path").1
    ))
    .expect("a URL");
    let query: std::collections::HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(
        (
            url.path(),
            query["project"].as_str(),
            query["page_size"].as_str()
        ),
        ("/ls/api/tasks", "6", "1")
    );
    let filter: Value = serde_json::from_str(&query["query"]).expect("JSON");
    let item = json!({"filter": "filter:tasks:file_upload_id", "operator": "equal", "type": "Number", "value": 11});
    assert_eq!(
        filter,
        json!({"filters": {"conjunction": "and", "items": [item]}})
    );

    let server = Server::start(|_, _| error(500, "database is locked")).await;
    let failure = server.project(LEGACY).count(11).await.expect_err("never");
    assert!(
        matches!(
            failure,
            Failure::Unknown {
                status: Some(500),
                doubt: false,
                ..
            }
        ),
        "{failure:?}"
    );
    assert_eq!(
        (server.seen().len(), failure.into_error().exit_code()),
        (8, 5)
    );
    let server = Server::start(|_, _| error(404, "Not found.")).await;
    server.project(LEGACY).about().await.expect_err("missing");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn the_asynchronous_form_is_watched_until_it_ends() {
    let job = |status: &str| json!({"id": 5, "status": status, "error": null, "task_count": 1, "file_upload_ids": []});
    let done = json!({"id": 5, "status": "completed", "error": null, "traceback": null, "task_count": 3, "annotation_count": 3,
        "prediction_count": 2, "file_upload_ids": [11], "created_at": "2026-01-01T00:00:00Z"});
    let server = Server::start(
        move |number, request| match (number, request.line.as_str()) {
            (0, "POST /ls/api/projects/6/import?commit_to_project=false") => {
                created(&json!({"import": 5}))
            }
            (1, "GET /ls/api/projects/6/imports/5/") => ok(&job("created")),
            (2, "GET /ls/api/projects/6/imports/5/") => ok(&done),
            (3, "POST /ls/api/projects/6/reimport") => created(&json!({"reimport": 5})),
            (4, "GET /ls/api/projects/6/reimports/5/") => ok(&job("in_progress")),
            (5, "GET /ls/api/projects/6/reimports/5/") => error(502, "Bad gateway"),
            (6, "GET /ls/api/projects/6/reimports/5/") => Reply::Raw(""),
            (7, "GET /ls/api/projects/6/reimports/5/") => ok(&done),
            (number, line) => panic!("{number}: {line}"),
        },
    )
    .await;
    let project = server.project(LEGACY);
    let upload = project
        .upload("a.json", TASKS.as_bytes().to_vec())
        .await
        .expect("taken");
    assert_eq!((upload.id, upload.tasks), (11, 3));
    assert_eq!(
        project.commit(11).await.expect("done"),
        Counts {
            tasks: 3,
            annotations: 3,
            predictions: 2
        }
    );
    assert_eq!(server.seen().len(), 8);
}

#[tokio::test]
async fn a_job_that_fails_or_never_ends_leaves_doubt() {
    let error_text =
        "[ErrorDetail(string='Error at item 2: \"text\" key is expected', code='invalid')]";
    let server = Server::start(move |_, request| match request.line.starts_with("POST") {
        true => created(&json!({"reimport": 5})),
        false => ok(&json!({"status": "failed", "error": error_text})),
    })
    .await;
    let failure = server.project(LEGACY).commit(11).await.expect_err("failed");
    let Failure::JobFailed { items, .. } = &failure else {
        panic!("{failure:?}")
    };
    assert_eq!((items[0].0, failure.leaves_doubt()), (2, true));

    for reply in [
        || ok(&json!({"status": "in_progress"})),
        || error(502, "Bad gateway"),
        || error(404, "Not found."),
    ] {
        let server = Server::start(move |_, request| match request.line.starts_with("POST") {
            true => created(&json!({"reimport": 5})),
            false => reply(),
        })
        .await;
        let settings = Settings {
            import_timeout: Duration::from_millis(300),
            ..settings()
        };
        let failure = server
            .project_with(LEGACY, settings)
            .commit(11)
            .await
            .expect_err("never ends");
        assert!(
            matches!(failure, Failure::Unknown { doubt: true, .. }),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_project_is_described_listed_read_and_cleared() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /ls/api/projects/6" => ok(&json!({"id": 6, "title": "T", "label_config": "<View></View>", "task_number": 12,
            "total_annotations_number": null, "total_predictions_number": 4, "is_draft": false, "members": []})),
        "GET /ls/api/version" => ok(&json!({"release": "1.23.2", "label-studio-os-package": {}})),
        "GET /ls/api/projects/6/file-uploads?all=true" => ok(&json!([
            {"id": 12, "file": "upload/6/0123abcd-batch-0001-abc123.json", "size": 1041},
            {"id": 11, "file": "upload/6/d35eef39-batch-0001-abc123.json", "size": 1041},
            {"id": 13, "file": "upload/6/d35eef39-x-batch-0001-abc123.json"}])),
        "POST /ls/api/dm/actions?id=delete_tasks&project=6" => {
            ok(&json!({"processed_items": 3, "reload": false, "detail": "Deleted 3 tasks"}))
        }
        "DELETE /ls/api/projects/6/file-uploads" => ok(&json!({"deleted": 2})),
        "POST /ls/api/projects" => created(&json!({"id": 9, "title": "More"})),
        line if line.starts_with("GET /ls/api/tasks") && line.contains("&page=1&") => ok(&json!({
            "total": 1, "total_annotations": 1, "total_predictions": 0, "tasks": [{"id": 5, "meta": null, "predictions": [],
                "data": {"big": 36_893_488_147_419_103_232_f64}, "annotations": [{"id": 1, "result": []}]}]})),
        line if line.starts_with("GET /ls/api/tasks") => error(404, "Invalid page."),
        line => panic!("{line}"),
    })
    .await;
    let project = server.project(LEGACY);
    let about = project.about().await.expect("there");
    assert_eq!(
        (
            about.id,
            about.title.as_str(),
            about.task_number,
            about.annotations,
            about.predictions
        ),
        (6, "T", 12, 0, 4)
    );
    assert_eq!(project.version().await.expect("told"), "1.23.2");
    let found = project
        .find_upload("batch-0001-abc123.json")
        .await
        .expect("listed");
    assert_eq!(
        found.iter().map(|upload| upload.id).collect::<Vec<_>>(),
        [11, 12]
    );
    assert!(
        project
            .find_upload("batch-0002-abc123")
            .await
            .expect("listed")
            .is_empty()
    );

    let tasks = project.tasks(11, 1, 100).await.expect("read");
    assert_eq!(
        (
            tasks.len(),
            tasks[0].id,
            tasks[0].meta.is_none(),
            tasks[0].annotations.len()
        ),
        (1, 5, true, 1)
    );
    assert!(tasks[0].data.get().contains("big"));
    assert!(project.tasks(11, 2, 100).await.expect("the end").is_empty());

    assert_eq!(project.delete_tasks(11).await.expect("deleted"), 3);
    let deletion = server.seen().pop().expect("one").json();
    assert_eq!(deletion["project"], json!("6"));
    assert_eq!(
        deletion["selectedItems"],
        json!({"all": true, "excluded": []})
    );
    assert_eq!(deletion["filters"]["items"][0]["value"], json!(11));
    assert_eq!(project.delete_uploads(&[11, 12]).await.expect("removed"), 2);
    assert_eq!(
        server.seen().pop().expect("one").json(),
        json!({"file_upload_ids": [11, 12]})
    );
    let before = server.seen().len();
    assert_eq!(
        (
            project.delete_uploads(&[]).await.expect("nothing"),
            server.seen().len()
        ),
        (0, before)
    );

    assert_eq!(
        projects::create(
            project.client(),
            &NewProject {
                title: "More".into(),
                description: String::new(),
                label_config: "<View></View>".into()
            }
        )
        .await
        .expect("made")
        .id(),
        9
    );
}

#[test]
fn a_file_of_certificates_is_read_and_wrong_ones_are_told() {
    let address = Address::parse("https://127.0.0.1/projects/6").expect("an address");
    let client = |path: &std::path::Path| {
        let token = Token::parse(LEGACY, "the test").expect("a token");
        Client::new(
            &address,
            token,
            Settings {
                ca_cert: Some(path.to_owned()),
                ..settings()
            },
        )
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    assert!(
        client(&path)
            .expect_err("no file")
            .message()
            .contains("cannot read")
    );
    std::fs::write(&path, "nothing\n").expect("written");
    assert!(
        client(&path)
            .expect_err("no certificate")
            .to_string()
            .contains("BEGIN CERTIFICATE")
    );
}

#[tokio::test]
async fn an_upload_refused_or_cut_off_half_way_leaves_no_doubt() {
    // A proxy that refuses by the announced length alone, and then lingers as they do; and a server that goes away.
    for (reply, linger) in [
        (
            "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
            true,
        ),
        ("", false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Server {
            port: listener.local_addr().expect("bound").port(),
            seen: Arc::default(),
        };
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut some = [0; 2048];
            stream.read_exact(&mut some).await.expect("the beginning");
            stream.write_all(reply.as_bytes()).await.expect("sent");
            while linger && stream.read(&mut some).await.is_ok_and(|read| read > 0) {}
        });
        let failure = server
            .project(LEGACY)
            .upload("a.json", vec![b'x'; 20_000_000])
            .await
            .expect_err("refused");
        assert_eq!(
            matches!(failure, Failure::TooLarge { .. }),
            linger,
            "{failure:?}"
        );
        assert!(!failure.leaves_doubt(), "{failure:?}");
    }
}
