//! The metrics of a run over HTTP, on a thread of its own, as long as the run goes on.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;

use super::Watch;
use super::facts::Facts;
use super::metrics;
use crate::error::{Code, Error, Result};
use crate::serve::listen;

/// Where metrics are served.
pub const PATH: &str = "/metrics";

/// The version of the text format.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An address to serve metrics at: a port, which is one of this machine alone, or an address and a port.
///
/// # Errors
/// When the text is neither.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let own = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let port = text.strip_prefix(':').unwrap_or(text).parse();
    port.map(own).or_else(|_| text.parse()).map_err(|_| {
        format!("`{text}` is neither a port nor an address with a port, such as 127.0.0.1:9100")
    })
}

/// Serves the metrics of a run until it is dropped.
pub struct Exposed {
    /// Where.
    pub at: SocketAddr,
    end: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Exposed {
    /// Serves them at an address; at port 0 at one that is free.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub fn start(at: SocketAddr, watch: &Arc<Watch>, facts: &Arc<Facts>) -> Result<Exposed> {
        let listener = TcpListener::bind(at).map_err(|e| {
            Error::new(Code::Usage, format!("cannot serve metrics at {at}: {e}"))
                .help("choose another port with `--metrics`, or 0 for any that is free")
        })?;
        let broken = |e| Error::new(Code::Internal, format!("cannot serve metrics: {e}"));
        let at = listener.local_addr().map_err(broken)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(broken)?;
        let (end, ended) = oneshot::channel::<()>();
        let (watch, facts) = (Arc::clone(watch), Arc::clone(facts));
        let serve = move || {
            let stopped = async {
                // It is dropped, never sent.
                let _ = ended.await;
            };
            let answers = listen::run(
                listener,
                move |request| {
                    let response = answer(&request, &watch, &facts);
                    async { Ok::<_, Infallible>(response) }
                },
                stopped,
            );
            // A run is as good without its metrics.
            let _ = runtime.block_on(answers);
        };
        let thread = thread::Builder::new()
            .name("sluice-metrics".to_owned())
            .spawn(serve)
            .map_err(broken)?;
        Ok(Exposed {
            at,
            end: Some((end, thread)),
        })
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

fn answer(request: &Request<Incoming>, watch: &Watch, facts: &Facts) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let allowed = [Method::GET, Method::HEAD].contains(request.method());
    if request.uri().path() != PATH {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if allowed {
        *response.body_mut() = Full::from(metrics::text(watch, facts));
        let format = hyper::header::HeaderValue::from_static(FORMAT);
        response.headers_mut().insert(CONTENT_TYPE, format);
    } else {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let methods = hyper::header::HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
