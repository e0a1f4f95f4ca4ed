//! A server of files on loopback that does what servers on the net do: it gives no ranges, cuts connections, is slow, asks
//! to wait, redirects. Plain sockets, since HTTP libraries take care not to.
#![allow(dead_code, reason = "each suite asks it for what it needs")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is wrong with a file's server.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Nothing: ranges, length and tag.
    Fine,
    /// It gives whole files only.
    NoRanges,
    /// It does not say how long they are, either.
    Chunked,
    /// It closes the connection after each so many bytes.
    CutEvery(usize),
    /// The same for the first so many answers, of whole files.
    CutWhole { answers: usize, after: usize },
    /// It promises so many bytes more than there are.
    TooLong(usize),
    /// It sends some bytes at a time, and waits in between.
    Slow { bytes: usize, wait: Duration },
    /// Its first answers are these: a status, and how long to wait.
    First(Vec<(u16, Option<&'static str>)>),
    /// It sends to another address.
    Redirect(String),
    /// After so many answers the file is another one, with another tag.
    Changing { answers: usize, tag: bool },
    /// It says that the bytes are encoded so.
    Encoded(&'static str),
    /// It says that they are of this type.
    Typed(&'static str),
    /// It sends the body again and again, and never ends.
    Endless,
}

/// A file, and how it is served.
struct File {
    body: Vec<u8>,
    manner: Manner,
    answers: usize,
}

/// A server; its thread ends with the process.
pub struct Server {
    pub address: String,
    files: Arc<Mutex<HashMap<String, File>>>,
    heard: Arc<Mutex<Vec<String>>>,
    sent: Arc<Mutex<u64>>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let server = Server {
            address: format!("http://{}", listener.local_addr().expect("an address")),
            files: Arc::default(),
            heard: Arc::default(),
            sent: Arc::default(),
        };
        let (files, heard, sent) = (
            Arc::clone(&server.files),
            Arc::clone(&server.heard),
            Arc::clone(&server.sent),
        );
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, heard, sent) =
                    (Arc::clone(&files), Arc::clone(&heard), Arc::clone(&sent));
                // A client that leaves is no failure of the server.
                thread::spawn(move || drop(serve(stream, &files, &heard, &sent)));
            }
        });
        server
    }

    /// Puts a file there, and gives its address.
    pub fn put(&self, name: &str, body: impl Into<Vec<u8>>, manner: Manner) -> String {
        let file = File {
            body: body.into(),
            manner,
            answers: 0,
        };
        self.files.lock().unwrap().insert(format!("/{name}"), file);
        format!("{}/{name}", self.address)
    }

    /// The heads of all requests so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Bytes of bodies sent so far.
    pub fn sent(&self) -> u64 {
        *self.sent.lock().unwrap()
    }
}

/// One request for one connection: then it is closed.
fn serve(
    mut stream: TcpStream,
    files: &Mutex<HashMap<String, File>>,
    heard: &Mutex<Vec<String>>,
    sent: &Mutex<u64>,
) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    heard.lock().unwrap().push(head.clone());
    let path = head.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let (mut body, manner, before) = match files.lock().unwrap().get_mut(path) {
        Some(file) => {
            file.answers += 1;
            (file.body.clone(), file.manner.clone(), file.answers - 1)
        }
        None => {
            return write!(
                stream,
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
            );
        }
    };
    let mut tag = "\"one\"";
    match &manner {
        Manner::First(first) if before < first.len() => {
            let (status, wait) = first[before];
            let wait = wait.map_or(String::new(), |wait| format!("retry-after: {wait}\r\n"));
            return write!(
                stream,
                "HTTP/1.1 {status} No\r\n{wait}content-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
        Manner::Redirect(to) => {
            return write!(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
        Manner::Changing {
            answers,
            tag: tagged,
        } if before >= *answers => {
            body = body
                .iter()
                .map(|byte| if *byte == b'a' { b'b' } else { *byte })
                .collect();
            if *tagged {
                tag = "\"two\"";
            }
        }
        _ => {}
    }
    let whole = matches!(
        manner,
        Manner::NoRanges
            | Manner::TooLong(_)
            | Manner::Chunked
            | Manner::CutWhole { .. }
            | Manner::Changing { tag: false, .. }
    );
    let range = header(&head, "range").filter(|_| !whole).and_then(|range| {
        let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
        let start: usize = start.parse().ok()?;
        let end = end
            .parse::<usize>()
            .map_or(body.len(), |last| body.len().min(last + 1));
        Some(start..end)
    });
    let size = body.len();
    let mut headers = String::from("connection: close\r\n");
    if !whole {
        headers += &format!("etag: {tag}\r\n");
    }
    if let Manner::Encoded(encoding) = manner {
        headers += &format!("content-encoding: {encoding}\r\n");
    }
    if let Manner::Typed(kind) = manner {
        headers += &format!("content-type: {kind}\r\n");
    }
    if matches!(manner, Manner::Endless) {
        write!(stream, "HTTP/1.1 200 OK\r\n{headers}\r\n")?;
        loop {
            stream.write_all(&body)?;
            *sent.lock().unwrap() += body.len() as u64;
        }
    }
    let status = match range {
        Some(range) if range.start >= size => {
            return write!(
                stream,
                "HTTP/1.1 416 No\r\n{headers}content-range: bytes */{size}\r\ncontent-length: 0\r\n\r\n"
            );
        }
        Some(range) => {
            headers += &format!(
                "content-range: bytes {}-{}/{size}\r\n",
                range.start,
                range.end - 1
            );
            body = body[range].to_vec();
            "206 Partial Content"
        }
        None => "200 OK",
    };
    let promised = match manner {
        Manner::TooLong(more) => body.len() + more,
        _ => body.len(),
    };
    if matches!(manner, Manner::Chunked) {
        headers += "transfer-encoding: chunked\r\n";
        body = [
            format!("{:x}\r\n", body.len()).as_bytes(),
            &body,
            b"\r\n0\r\n\r\n",
        ]
        .concat();
    } else {
        headers += &format!("content-length: {promised}\r\n");
    }
    match manner {
        Manner::CutEvery(bytes) => body.truncate(bytes),
        Manner::CutWhole { answers, after } if before < answers => body.truncate(after),
        Manner::Changing { answers, .. } if before < answers => body.truncate(body.len() / 2),
        _ => {}
    }
    write!(stream, "HTTP/1.1 {status}\r\n{headers}\r\n")?;
    *sent.lock().unwrap() += body.len() as u64;
    match manner {
        Manner::Slow { bytes, wait } => {
            for piece in body.chunks(bytes) {
                stream.write_all(piece)?;
                thread::sleep(wait);
            }
            Ok(())
        }
        _ => stream.write_all(&body),
    }
}

/// The value of a header of a request.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
