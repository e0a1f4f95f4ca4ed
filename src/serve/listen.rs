//! Connections: accepted, answered, and let go of when the server is to end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::error::{Code, Error, Result};

/// Connections at once. A browser opens six.
const CONNECTIONS: usize = 256;

/// How long a client may take over the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long answers that are on their way may take once the server is to end.
const LAST_TIME: Duration = Duration::from_secs(5);

/// How long nothing is accepted where that fails, as when there are too many open files.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Answers until `stopped` ends; then what is on its way is brought to its end, for some seconds.
///
/// # Errors
/// When the system does not let it listen.
pub async fn run<A, F, B>(
    listener: std::net::TcpListener,
    answer: A,
    stopped: impl Future<Output = ()>,
) -> Result<()>
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let answer = Arc::new(answer);
    listener.set_nonblocking(true).map_err(|e| broken(&e))?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|e| broken(&e))?;
    let mut stopped = std::pin::pin!(stopped);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stopped => break,
        };
        // Those that have ended are let go of.
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(AFTER_FAILURE).await;
            continue;
        };
        let (answer, end) = (Arc::clone(&answer), end.clone());
        connections.spawn(async move {
            serve(stream, &*answer, end).await;
            drop(place);
        });
    }
    drop(listener);
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    // Whoever is slower than that is cut off.
    let _ = tokio::time::timeout(LAST_TIME, all).await;
    Ok(())
}

/// The error of a listener that does not work.
pub(super) fn broken(cause: &std::io::Error) -> Error {
    Error::new(Code::Internal, format!("the server cannot listen: {cause}"))
}

/// Answers the requests of one connection.
async fn serve<A, F, B>(stream: TcpStream, answer: &A, mut end: watch::Receiver<bool>)
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        _ = &mut connection => true,
        _ = end.wait_for(|end| *end) => false,
    };
    if !ended {
        connection.as_mut().graceful_shutdown();
        // A client that goes away in the middle is no matter.
        let _ = connection.await;
    }
}
