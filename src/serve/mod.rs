//! **Takes** a folder of media, and an address to serve it at.
//! **Gives** its files over HTTP, with ranges, to browsers that show pages of other servers; and the list of addresses.
//! **Waits on** whoever asks, and the disk.
//! **To add one:** what a request may ask for is in [`answer`]; which files there are is in [`folder`].
//!
//! It stands beside the flow: Label Studio's tasks speak of files by their addresses, and this is a server for them.

pub mod answer;
pub mod folder;
pub mod range;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::folder::Folder;
use crate::error::{Code, Error, Result};

/// Connections at once. A browser opens six.
const CONNECTIONS: usize = 256;

/// How long a client may take over the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long answers that are on their way may take once the server is to end.
const LAST_TIME: Duration = Duration::from_secs(5);

/// How long nothing is accepted where that fails, as when there are too many open files.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// A server that is known by an address, and answers once it [runs](Server::run).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    folder: Arc<Folder>,
    /// The page that may read the answers: an origin, or `*`.
    origin: Arc<str>,
}

impl Server {
    /// A server of a folder at an address; at port 0 it finds one that is free.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub fn bind(folder: Folder, at: SocketAddr, origin: &str) -> Result<Server> {
        let listener = TcpListener::bind(at).map_err(|e| {
            Error::new(Code::Usage, format!("cannot listen at {at}: {e}"))
                .help("choose another port with `--port`, or 0 for any that is free")
        })?;
        Ok(Server {
            listener,
            folder: Arc::new(folder),
            origin: Arc::from(origin),
        })
    }

    /// Where it is.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(|e| broken(&e))
    }

    /// Answers until `stopped` ends; then what is on its way is brought to its end, for some seconds.
    ///
    /// # Errors
    /// When the system does not let it listen.
    pub async fn run(self, stopped: impl Future<Output = ()>) -> Result<()> {
        let listener = self.listener;
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
            let (folder, origin) = (Arc::clone(&self.folder), Arc::clone(&self.origin));
            let end = end.clone();
            connections.spawn(async move {
                serve(stream, folder, origin, end).await;
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
}

fn broken(cause: &std::io::Error) -> Error {
    Error::new(Code::Internal, format!("the server cannot listen: {cause}"))
}

/// Answers the requests of one connection.
async fn serve(
    stream: TcpStream,
    folder: Arc<Folder>,
    origin: Arc<str>,
    mut end: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| {
        let (folder, origin) = (Arc::clone(&folder), Arc::clone(&origin));
        async move { answer::answer(&request, folder, &origin).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
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
