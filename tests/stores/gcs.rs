//! Google's store as far as its client needs it: objects with generations, in memory, by the XML API.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::misbehaving::header;

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
    let ok = |headers: String, body: Vec<u8>| ("200 OK", headers, body);
    match method {
        "GET" if key.is_empty() => {
            let prefix = query.get("prefix").cloned().unwrap_or_default();
            let listed = state
                .objects
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix));
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
                format!("<ListBucketResult>{listed}</ListBucketResult>").into(),
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
            let held = state.objects.contains_key(&key);
            if header(head, "x-goog-if-generation-match") == Some("0") && held {
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
