//! **Takes** imports, as a Label Studio of one project does, and counts their tasks.
//! **Gives** the answers that the client rests on, each after a set time, some of them errors.
//! **Waits on** whoever asks.
//! **To add one:** what a request may ask for is in [`answers`].
//!
//! It stands beside the flow, for `sluice bench`: what it measures is this machine and this program, and no database. It
//! keeps no tasks, only how many there are of each upload.

pub mod answers;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use self::answers::Server;
use crate::error::{Code, Error, Result};

/// The token that it takes for its user's; it opens nothing else.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behaviour {
    /// How long each answer takes at least.
    pub latency: Duration,
    /// The share of uploads and commits whose answer is an error, from 0 to 1. What is uploaded is then lost; what is
    /// committed is there all the same.
    pub faults: f64,
    /// By which it is drawn whose.
    pub seed: u64,
}

/// A server that answers on a thread of its own until this is dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    end: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl StandIn {
    /// Starts one on a free port of this machine.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn start(behaviour: Behaviour) -> Result<StandIn> {
        let broken = |e: std::io::Error| {
            Error::new(Code::Internal, format!("the stand-in does not start: {e}"))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(broken)?;
        listener.set_nonblocking(true).map_err(broken)?;
        let address = listener.local_addr().map_err(broken)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(broken)?;
        let server = Arc::new(Server::new(behaviour));
        let (end, ended) = oneshot::channel();
        let work = move || runtime.block_on(run(listener, server, ended));
        let thread = thread::Builder::new()
            .name("sluice-stand-in".to_owned())
            .spawn(work)
            .map_err(broken)?;
        Ok(StandIn {
            address,
            end: Some((end, thread)),
        })
    }

    /// The address of its project.
    #[must_use]
    pub fn project(&self) -> String {
        format!("http://{}/projects/1", self.address)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            let _ = end.send(());
            let _ = thread.join();
        }
    }
}

async fn run(listener: TcpListener, server: Arc<Server>, ended: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let accepting = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let server = Arc::clone(&server);
            let service = service_fn(move |request| {
                let server = Arc::clone(&server);
                async move { server.answer(request).await }
            });
            tokio::spawn(async move {
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A client that goes away is no matter.
                let _ = connection.await;
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = ended => {}
    }
}
