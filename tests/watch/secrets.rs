//! Nothing secret is told, anywhere: tokens, passwords in addresses, the queries of presigned ones.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::fake_label_studio::{Call, Fault, Faults};
use crate::misbehaving::{Manner, Server};
use crate::{Bench, lines};

#[test]
fn no_secret_is_in_logs_metrics_or_reports() {
    let bench = Bench::with(Faults::script_on(vec![(Call::Reimport, Fault::DropReply)]));
    let server = Server::start();
    // Slow, so that there is time to ask for metrics.
    let manner = Manner::Slow {
        bytes: 600,
        wait: std::time::Duration::from_millis(100),
    };
    let url = server.put("in.jsonl", lines(0..1_000), manner);
    let url = url.replace("http://", "http://me:hunter2@") + "?X-Amz-Signature=geheim#geheim";
    let to = bench.to();
    for format in ["text", "json"] {
        let words = [
            "import",
            &url,
            "--to",
            &to,
            "--interval",
            "0",
            "--again",
            "--max-tasks",
            "300",
            "--log-format",
            format,
            "-vvv",
            "--metrics",
            "0",
            "--report",
            "r.json",
            "--report",
            "r.html",
        ];
        let mut command = bench.command(&words);
        command.env("SLUICE_LOG", "trace,hyper=trace,reqwest=trace,h2=trace");
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        let at = loop {
            assert!(stderr.read_line(&mut said).expect("a line") > 0, "{said}");
            if let Some((_, rest)) = said.split_once("metrics are at http://") {
                break rest
                    .split("/metrics")
                    .next()
                    .expect("an address")
                    .to_owned();
            }
        };
        let metrics = scraped(&at);
        stderr.read_to_string(&mut said).expect("the rest");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{said}");
        let told = [said, metrics, bench.read("r.json"), bench.read("r.html")];
        for text in &told {
            for secret in ["hunter2", "geheim", &bench.fake.token()] {
                let found = text
                    .find(secret)
                    .map(|at| &text[at.saturating_sub(200)..at]);
                assert_eq!(found, None, "{secret}");
            }
        }
        assert!(told[0].contains("import delivered") && told[1].contains("sluice_records_total"));
        assert!(
            told[2].contains("/in.jsonl") && told[3].contains("/in.jsonl"),
            "the address itself is told"
        );
    }
}

fn scraped(at: &str) -> String {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(at).expect("a connection");
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
