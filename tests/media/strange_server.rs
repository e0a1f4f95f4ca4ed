//! A web server that misbehaves, each path in its own way, and remembers who asked for what.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, LOCATION, REFERER, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// What was asked for: the method and the path.
#[derive(Default)]
pub struct Heard {
    asked: HashMap<String, u32>,
    /// Requests that are being answered, and the most of them at once.
    now: u32,
    most: u32,
    /// Headers that only the server of an address should get.
    secrets: Vec<String>,
}

pub struct Strange {
    pub at: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    _runtime: tokio::runtime::Runtime,
}

impl Strange {
    pub fn start() -> Strange {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&heard));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let at = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Strange {
            at,
            heard,
            _runtime: runtime,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.at)
    }

    /// How often something was asked for, as `HEAD /a.jpg`.
    pub fn asked(&self, what: &str) -> u32 {
        self.heard
            .lock()
            .unwrap()
            .asked
            .get(what)
            .copied()
            .unwrap_or(0)
    }

    pub fn requests(&self) -> u32 {
        self.heard.lock().unwrap().asked.values().sum()
    }

    pub fn most_at_once(&self) -> u32 {
        self.heard.lock().unwrap().most
    }

    pub fn secrets(&self) -> Vec<String> {
        self.heard.lock().unwrap().secrets.clone()
    }
}

async fn answer(State(heard): State<Arc<Mutex<Heard>>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let times = {
        let mut heard = heard.lock().unwrap();
        heard.now += 1;
        heard.most = heard.most.max(heard.now);
        for name in [AUTHORIZATION, COOKIE, REFERER] {
            if let Some(value) = request.headers().get(&name) {
                heard
                    .secrets
                    .push(format!("{path} {name}: {}", value.to_str().unwrap()));
            }
        }
        let asked = heard.asked.entry(format!("{method} {path}")).or_default();
        *asked += 1;
        *asked
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let way = path.split('/').nth(1).unwrap_or_default();
    let response = match way {
        "ok" => StatusCode::OK.into_response(),
        "text" => path[1..].replace('/', " ").into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            StatusCode::OK.into_response()
        }
        "no-head" if method == Method::HEAD => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        "no-head" => (StatusCode::PARTIAL_CONTENT, "x").into_response(),
        // The whole file, whatever was asked for.
        "no-head-no-range" if method == Method::HEAD => StatusCode::FORBIDDEN.into_response(),
        "no-head-no-range" => Body::from(vec![7; 8 << 20]).into_response(),
        "empty" if method == Method::HEAD => StatusCode::NOT_FOUND.into_response(),
        "empty" => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
        "busy" if times < 3 => {
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")]).into_response()
        }
        "flaky" if times < 4 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "down" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "moved" => (StatusCode::FOUND, [(LOCATION, query)]).into_response(),
        "round" => (StatusCode::FOUND, [(LOCATION, path)]).into_response(),
        "busy" | "flaky" => StatusCode::OK.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    heard.lock().unwrap().now -= 1;
    response
}
