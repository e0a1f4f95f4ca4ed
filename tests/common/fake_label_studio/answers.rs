//! Answers as the server words them, byte for byte where a client could look.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{Response, header};
use serde_json::Value;

use super::faults::Prng;

pub const VERSION: &str = "1.23.2";

/// What goes back to the client.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub html: bool,
    pub body: String,
    pub retry_after: Option<u64>,
}

impl Answer {
    pub fn json(status: u16, body: String) -> Answer {
        Answer {
            status,
            html: false,
            body,
            retry_after: None,
        }
    }

    /// A page, of the server itself or of a proxy before it.
    pub fn html(status: u16) -> Answer {
        let body = match status {
            404 | 500 => format!(
                "\n\n\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <meta charset=\"utf-8\">\n\
                 <title>{status} | Label Studio</title>\n\
                 </head>\n<body>\n  <div class=\"ls-global-error__code\">{status}</div>\n</body>\n</html>\n"
            ),
            _ => {
                let reason = match status {
                    413 => "413 Request Entity Too Large",
                    429 => "429 Too Many Requests",
                    502 => "502 Bad Gateway",
                    504 => "504 Gateway Time-out",
                    _ => "Error",
                };
                format!(
                    "<html>\r\n<head><title>{reason}</title></head>\r\n<body>\r\n<center><h1>{reason}</h1></center>\r\n\
                     <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
                )
            }
        };
        Answer {
            status,
            html: true,
            body,
            retry_after: None,
        }
    }

    /// An error in the server's own form.
    pub fn error(status: u16, detail: &str, prng: &mut Prng) -> Answer {
        let detail = Value::from(detail);
        let id = uuid(prng);
        let body = format!(
            r#"{{"id":"{id}","status_code":{status},"version":"{VERSION}","detail":{detail},"exc_info":null}}"#
        );
        Answer::json(status, body)
    }

    /// A 400; `errors` is what stands under `validation_errors`.
    pub fn invalid(errors: &Value, prng: &mut Prng) -> Answer {
        let mut answer = Answer::error(400, "Validation error", prng);
        answer.body.pop();
        write!(answer.body, r#","validation_errors":{errors}}}"#).expect("a string takes all");
        answer
    }

    pub fn into_response(self) -> Response<Body> {
        let kind = if self.html {
            "text/html; charset=utf-8"
        } else {
            "application/json"
        };
        let mut response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, kind)
            .header(
                header::SET_COOKIE,
                " sessionid=eyJ1aWQiOiIxIn0; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax",
            );
        if self.status == 401 {
            response = response.header(header::WWW_AUTHENTICATE, "Token");
        }
        if let Some(seconds) = self.retry_after {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        response
            .body(Body::from(self.body))
            .expect("the parts are valid")
    }
}

pub fn uuid(prng: &mut Prng) -> String {
    let (a, b) = (prng.next(), prng.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 48 & 0xfff,
        b & 0xffff_ffff_ffff
    )
}

/// A value as Python's `repr` writes it. (Members are in the order of their names: the order sent is not kept.)
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') {
                '"'
            } else {
                '\''
            };
            let mut out = String::from(quote);
            for c in text.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    c if c == quote => out.extend(['\\', c]),
                    c if c.is_control() => {
                        write!(out, "\\x{:02x}", c as u32).expect("a string takes all")
                    }
                    c => out.push(c),
                }
            }
            out.push(quote);
            out
        }
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(repr).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                format!("{}: {}", repr(&Value::from(key.as_str())), repr(value))
            };
            format!(
                "{{{}}}",
                members.iter().map(member).collect::<Vec<_>>().join(", ")
            )
        }
    }
}
