//! A way to a server on which calls go wrong: what is asked for by each is known, and what becomes of it is up to the test.
//!
//! A call is one request of HTTP, or one command of Redis. Nothing depends on time: what is to go wrong does so at a call
//! of a certain number or kind.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is made, and answered.
    Pass,
    /// The server never hears of it, and it is answered so: a status line of HTTP and a body, or an error of Redis.
    Say(&'static str, &'static str),
    /// It is made, and answered so all the same.
    MakeAndSay(&'static str, &'static str),
    /// The server never hears of it, and the connection is closed.
    Cut,
    /// It is made, and the connection is closed in place of the answer.
    MakeAndCut,
    /// It is made, and the connection is closed within the answer.
    CutWithin,
    /// It is never made nor answered, and the connection stays.
    Hold,
    /// It is made and never answered, and the connection stays.
    MakeAndHold,
}

/// A call, as far as tests tell calls apart.
pub struct Call<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// The method of a request, or the name of a command.
    pub what: &'a str,
}

type Rule = dyn Fn(&Call<'_>) -> Act + Send + Sync;

/// The way; it ends with the process.
pub struct Way {
    /// Host and port of its near end.
    pub at: String,
    calls: Arc<AtomicUsize>,
    held: Mutex<Receiver<()>>,
}

impl Way {
    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Waits until a call is held.
    pub fn wait_until_held(&self) {
        self.held.lock().unwrap().recv().expect("a call is held");
    }
}

/// A rule by which the call of one number has a fault, and all others pass.
pub fn at_call(k: usize, act: Act) -> impl Fn(&Call<'_>) -> Act + Send + Sync {
    move |call| if call.number == k { act } else { Act::Pass }
}

/// A way to a server of HTTP at `host:port`.
pub fn of_http(server: &str, rule: impl Fn(&Call<'_>) -> Act + Send + Sync + 'static) -> Way {
    open(server, Box::new(rule), request)
}

/// A way to a Redis at `host:port`.
pub fn of_redis(server: &str, rule: impl Fn(&Call<'_>) -> Act + Send + Sync + 'static) -> Way {
    open(server, Box::new(rule), commands)
}

struct Ends {
    server: String,
    rule: Box<Rule>,
    calls: Arc<AtomicUsize>,
    held: Sender<()>,
}

impl Ends {
    fn decide(&self, what: &str) -> Act {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        (self.rule)(&Call { number, what })
    }

    /// Keeps a connection as it is until whoever made it leaves.
    fn hold(&self, mut client: TcpStream) {
        let _ = self.held.send(());
        let _ = client.read(&mut [0]);
    }
}

fn open(server: &str, rule: Box<Rule>, serve: fn(TcpStream, &Ends) -> Result<()>) -> Way {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let at = listener.local_addr().expect("an address").to_string();
    let (held, told) = channel();
    let calls = Arc::new(AtomicUsize::new(0));
    let ends = Arc::new(Ends {
        server: server.to_owned(),
        rule,
        calls: Arc::clone(&calls),
        held,
    });
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let ends = Arc::clone(&ends);
            // A client that leaves is no failure.
            thread::spawn(move || drop(serve(client, &ends)));
        }
    });
    Way {
        at,
        calls,
        held: Mutex::new(told),
    }
}

/// One request for one connection: then it is closed.
fn request(mut client: TcpStream, ends: &Ends) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let name = line.to_ascii_lowercase();
        if let Some(value) = name.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            head += "connection: close\r\n\r\n";
            break;
        }
        if !name.starts_with("connection:") {
            head += &line;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let act = ends.decide(head.split(' ').next().unwrap_or_default());
    let mut answer = Vec::new();
    if !matches!(act, Act::Say(..) | Act::Cut | Act::Hold) {
        let mut server = TcpStream::connect(&ends.server)?;
        server.write_all(head.as_bytes())?;
        server.write_all(&body)?;
        server.read_to_end(&mut answer)?;
    }
    match act {
        Act::Pass => client.write_all(&answer)?,
        Act::CutWithin => client.write_all(&answer[..answer.len() / 2])?,
        Act::Say(status, body) | Act::MakeAndSay(status, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            client.write_all(head.as_bytes())?;
            client.write_all(body.as_bytes())?;
        }
        Act::Hold | Act::MakeAndHold => ends.hold(client.try_clone()?),
        Act::Cut | Act::MakeAndCut => {}
    }
    client.shutdown(Shutdown::Both)
}

/// One command after another, each of which has an answer of one line or one value.
fn commands(mut client: TcpStream, ends: &Ends) -> Result<()> {
    let mut server = TcpStream::connect(&ends.server)?;
    let mut asked = BufReader::new(client.try_clone()?);
    let mut answered = BufReader::new(server.try_clone()?);
    while let Some((command, what)) = command(&mut asked)? {
        let act = ends.decide(&what);
        let mut answer = Vec::new();
        if !matches!(act, Act::Say(..) | Act::Cut | Act::Hold) {
            server.write_all(&command)?;
            reply(&mut answered, &mut answer)?;
        }
        match act {
            Act::Pass => client.write_all(&answer)?,
            Act::CutWithin => client.write_all(&answer[..answer.len() / 2])?,
            Act::Say(kind, text) | Act::MakeAndSay(kind, text) => {
                client.write_all(format!("-{kind} {text}\r\n").as_bytes())?;
            }
            Act::Hold | Act::MakeAndHold => ends.hold(client.try_clone()?),
            Act::Cut | Act::MakeAndCut => {}
        }
        if !matches!(act, Act::Pass | Act::Say(..) | Act::MakeAndSay(..)) {
            return client.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// The next command as it was sent, and its name.
fn command(from: &mut impl BufRead) -> Result<Option<(Vec<u8>, String)>> {
    let mut whole = Vec::new();
    if from.read_until(b'\n', &mut whole)? == 0 {
        return Ok(None);
    }
    let words = number(&whole);
    let mut what = String::new();
    for at in 0..words {
        let start = whole.len();
        from.read_until(b'\n', &mut whole)?;
        let length = number(&whole[start..]);
        let start = whole.len();
        whole.resize(start + length + 2, 0);
        from.read_exact(&mut whole[start..])?;
        if at == 0 {
            what = String::from_utf8_lossy(&whole[start..start + length]).into_owned();
        }
    }
    Ok(Some((whole, what)))
}

/// The next answer as it was sent.
fn reply(from: &mut impl BufRead, whole: &mut Vec<u8>) -> Result<()> {
    let start = whole.len();
    from.read_until(b'\n', whole)?;
    match whole.get(start) {
        Some(b'$') if whole[start + 1] != b'-' => {
            let length = number(&whole[start..]);
            let start = whole.len();
            whole.resize(start + length + 2, 0);
            from.read_exact(&mut whole[start..])
        }
        Some(b'*') => (0..number(&whole[start..])).try_for_each(|_| reply(from, whole)),
        _ => Ok(()),
    }
}

/// The number after the first sign of a line.
fn number(line: &[u8]) -> usize {
    let digits = String::from_utf8_lossy(&line[1..]);
    digits.trim().parse().expect("a number")
}
