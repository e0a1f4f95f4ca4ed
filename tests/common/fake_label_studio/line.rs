//! The wire: a door that can be shut and opened again on its port, and connections that can be cut from outside.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::{fmt, io};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// What the fake knows of one connection.
#[derive(Clone)]
pub struct Line(Arc<Inner>);

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("cut", &self.0.cut)
            .finish_non_exhaustive()
    }
}

struct Inner {
    cut: AtomicBool,
    /// Who waits to read or to write.
    waiting: Mutex<[Option<Waker>; 2]>,
    traffic: Arc<AtomicU64>,
}

impl Line {
    /// Ends the connection by a reset: what the client has not read yet is lost.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
        for waker in self
            .0
            .waiting
            .lock()
            .expect("no one panicked")
            .iter_mut()
            .filter_map(Option::take)
        {
            waker.wake();
        }
    }

    fn check(&self, side: usize, context: &Context<'_>) -> io::Result<()> {
        self.0.waiting.lock().expect("no one panicked")[side] = Some(context.waker().clone());
        let cut = self.0.cut.load(Ordering::SeqCst);
        if cut {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        }
    }

    fn moved<T>(&self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_ready() {
            self.0.traffic.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection, for the server that speaks over it.
pub struct Stream {
    tcp: TcpStream,
    line: Line,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.line.check(0, context)?;
        let outcome = Pin::new(&mut self.tcp).poll_read(context, into);
        self.line.moved(outcome)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.line.check(1, context)?;
        let outcome = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.line.moved(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.check(1, context)?;
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.line.0.cut.load(Ordering::SeqCst) {
            self.tcp.set_zero_linger().ok();
        }
    }
}

/// All connections, and whether new ones are let in.
pub struct Gate {
    open: watch::Sender<bool>,
    /// What the door has done about it.
    listens: watch::Sender<bool>,
    lines: Mutex<Vec<Weak<Inner>>>,
    /// Grows with everything that is read, written or accepted.
    pub traffic: Arc<AtomicU64>,
}

impl Gate {
    pub fn new() -> Gate {
        Gate {
            open: watch::Sender::new(true),
            listens: watch::Sender::new(true),
            lines: Mutex::default(),
            traffic: Arc::default(),
        }
    }

    /// Refuses new connections from here on and resets those there are.
    pub fn shut(&self) {
        self.open.send_replace(false);
        for line in self.lines.lock().expect("no one panicked").drain(..) {
            if let Some(inner) = line.upgrade() {
                Line(inner).cut();
            }
        }
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Until the door is as it is to be.
    pub async fn settled(&self) {
        let open = *self.open.borrow();
        self.listens
            .subscribe()
            .wait_for(|listens| *listens == open)
            .await
            .ok();
    }
}

/// The listening side.
pub struct Door {
    listener: Option<TcpListener>,
    address: SocketAddr,
    open: watch::Receiver<bool>,
    gate: Arc<Gate>,
}

impl Door {
    pub fn new(gate: Arc<Gate>) -> Door {
        let listener = bind(([127, 0, 0, 1], 0).into())
            .and_then(|socket| socket.listen(1024))
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        Door {
            listener: Some(listener),
            address,
            open: gate.open.subscribe(),
            gate,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keeps the port, refusing every connection, until the gate opens.
    async fn wait_until_open(&mut self) {
        drop(self.listener.take());
        let held = loop {
            // A connection of the last moment may hold the port a little longer.
            match bind(self.address) {
                Ok(socket) => break socket,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.gate.listens.send_replace(false);
        self.open.wait_for(|open| *open).await.ok();
        self.listener = Some(held.listen(1024).expect("the port is held"));
        self.gate.listens.send_replace(true);
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Listener for Door {
    type Io = Stream;
    type Addr = Line;

    async fn accept(&mut self) -> (Stream, Line) {
        loop {
            let open = *self.open.borrow();
            let Some(listener) = self.listener.as_ref().filter(|_| open) else {
                self.wait_until_open().await;
                continue;
            };
            tokio::select! {
                biased;
                _ = self.open.wait_for(|open| !*open) => {}
                accepted = listener.accept() => {
                    let Ok((tcp, _)) = accepted else { continue };
                    tcp.set_nodelay(true).ok();
                    let traffic = Arc::clone(&self.gate.traffic);
                    traffic.fetch_add(1, Ordering::Relaxed);
                    let inner = Inner { cut: AtomicBool::new(false), waiting: Mutex::default(), traffic };
                    let line = Line(Arc::new(inner));
                    let mut lines = self.gate.lines.lock().expect("no one panicked");
                    lines.retain(|line| line.strong_count() > 0);
                    lines.push(Arc::downgrade(&line.0));
                    return (Stream { tcp, line: line.clone() }, line);
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Line> {
        unreachable!("axum asks for it only when serving gracefully")
    }
}
