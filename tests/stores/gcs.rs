//! Google's store as far as its client needs it: objects with generations, in memory, by the XML API.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::misbehaving::header;

/// What was asked for: methods and keys, in order.
static HEARD: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// The methods and keys of all requests so far; the key of a listing is its prefix, with a `?` before it.
#[allow(dead_code, reason = "one suite counts")]
pub fn heard() -> Vec<(String, String)> {
    HEARD.lock().unwrap().clone()
}

#[derive(Default)]
struct State {
    /// Objects by their keys, each with its generation.
    objects: BTreeMap<String, (u64, Vec<u8>)>,
    /// Parts of uploads, by upload and number.
    parts: BTreeMap<(String, u32), Vec<u8>>,
    generation: u64,
}

/// Starts one, which ends with the process; gives its address. Every bucket is there, and is the same.
pub fn start() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let state = Arc::new(Mutex::new(State::default()));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = Arc::clone(&state);
            thread::spawn(move || drop(serve(stream, &state)));
        }
    });
    address
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length = header(&head, "content-length")
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, headers, body) = answer(&head, body, &mut state.lock().unwrap());
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    if head.starts_with("HEAD") {
        Ok(())
    } else {
        stream.write_all(&body)
    }
}

type Answer = (&'static str, String, Vec<u8>);

fn answer(head: &str, body: Vec<u8>, state: &mut State) -> Answer {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let url = url::Url::parse(&format!("http://store{target}")).unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let path = percent_decoded(url.path());
    let key = path.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
    let listed = query.get("prefix").map(|prefix| format!("?{prefix}"));
    let asked = listed.unwrap_or_else(|| key.clone());
    HEARD.lock().unwrap().push((method.to_owned(), asked));
    let ok = |headers: String, body: Vec<u8>| ("200 OK", headers, body);
    match method {
        "GET" if key.is_empty() => {
            let prefix = query.get("prefix").cloned().unwrap_or_default();
            // A page has a thousand, as that of a real one; the next begins after a key.
            let after = query.get("continuation-token").cloned().unwrap_or_default();
            let mut listed = state
                .objects
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix) && **key > after);
            let page: Vec<_> = listed.by_ref().take(1_000).collect();
            let next = listed
                .next()
                .and(page.last())
                .map_or_else(String::new, |(key, _)| {
                    format!("<NextContinuationToken>{key}</NextContinuationToken>")
                });
            let listed = page.into_iter();
            let listed: String = listed
                .map(|(key, (generation, body))| {
                    let key = key.replace('&', "&amp;").replace('<', "&lt;");
                    let size = body.len();
                    format!(
                        "<Contents><Key>{key}</Key><Size>{size}</Size><ETag>\"{generation}\"</ETag>\
                             <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                    )
                })
                .collect();
            ok(
                String::new(),
                format!("<ListBucketResult>{next}{listed}</ListBucketResult>").into(),
            )
        }
        "GET" | "HEAD" => match state.objects.get(&key) {
            None => ("404 Not Found", String::new(), Vec::new()),
            Some((generation, whole)) => {
                let mut headers = format!(
                    "etag: \"{generation}\"\r\nx-goog-generation: {generation}\r\n\
                     last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                );
                let range =
                    header(head, "range").and_then(|r| r.strip_prefix("bytes=")?.split_once('-'));
                match range {
                    Some((start, last)) => {
                        let start: usize = start.parse().unwrap();
                        let end = last
                            .parse()
                            .map_or(whole.len(), |last: usize| whole.len().min(last + 1));
                        headers += &format!(
                            "content-range: bytes {start}-{}/{}\r\n",
                            end - 1,
                            whole.len()
                        );
                        ("206 Partial Content", headers, whole[start..end].to_vec())
                    }
                    None => ok(headers, whole.clone()),
                }
            }
        },
        "POST" if query.contains_key("uploads") => {
            state.generation += 1;
            let id = state.generation;
            ok(String::new(), format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>").into())
        }
        "PUT" if query.contains_key("uploadId") => {
            let part = (
                query["uploadId"].clone(),
                query["partNumber"].parse().unwrap(),
            );
            state.parts.insert(part, body);
            ok("etag: \"part\"\r\n".to_owned(), Vec::new())
        }
        "POST" | "PUT" => {
            let held = state.objects.get(&key);
            let held = held.map_or(0, |(generation, _)| *generation).to_string();
            if header(head, "x-goog-if-generation-match").is_some_and(|asked| asked != held) {
                return ("412 Precondition Failed", String::new(), Vec::new());
            }
            let whole = match query.get("uploadId") {
                Some(id) => state
                    .parts
                    .iter()
                    .filter(|((of, _), _)| of == id)
                    .flat_map(|(_, part)| part.clone())
                    .collect(),
                None => body,
            };
            state.generation += 1;
            let generation = state.generation;
            state.objects.insert(key, (generation, whole));
            let headers = format!("etag: \"{generation}\"\r\nx-goog-generation: {generation}\r\n");
            ok(headers, format!("<CompleteMultipartUploadResult><ETag>\"{generation}\"</ETag></CompleteMultipartUploadResult>").into())
        }
        "DELETE" => {
            state.objects.remove(&key);
            ("204 No Content", String::new(), Vec::new())
        }
        _ => ("204 No Content", String::new(), Vec::new()),
    }
}

fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
