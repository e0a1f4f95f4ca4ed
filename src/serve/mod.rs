//! **Takes** a folder of media, and an address to serve it at.
//! **Gives** its files over HTTP, with ranges, to browsers that show pages of other servers; and the list of addresses.
//! **Waits on** whoever asks, and the disk.
//! **To add one:** what a request may ask for is in [`answer`]; which files there are is in [`folder`].
//!
//! It stands beside the flow: Label Studio's tasks speak of files by their addresses, and this is a server for them.

pub mod answer;
pub mod folder;
pub mod listen;
pub mod range;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use self::folder::Folder;
use crate::error::{Code, Error, Result};

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
        self.listener.local_addr().map_err(|e| listen::broken(&e))
    }

    /// Answers until `stopped` ends; then what is on its way is brought to its end, for some seconds.
    ///
    /// # Errors
    /// When the system does not let it listen.
    pub async fn run(self, stopped: impl Future<Output = ()>) -> Result<()> {
        let (folder, origin) = (self.folder, self.origin);
        let answer = move |request| {
            let (folder, origin) = (Arc::clone(&folder), Arc::clone(&origin));
            async move { answer::answer(&request, folder, &origin).await }
        };
        listen::run(self.listener, answer, stopped).await
    }
}
