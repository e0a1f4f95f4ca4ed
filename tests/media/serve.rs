//! `sluice serve`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common;

/// A server that is ended with this.
struct Server {
    child: Child,
    /// `127.0.0.1:PORT`.
    host: String,
}

impl Server {
    fn start(folder: &Path, more: &[&str]) -> Server {
        let mut command = common::sluice();
        command
            .arg("serve")
            .arg(folder)
            .args(["--port", "0"])
            .args(more);
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let host = lines.by_ref().find_map(|line| {
            let line = line.expect("text");
            let (_, rest) = line.split_once(" at http://")?;
            Some(rest.split('/').next().expect("a host").to_owned())
        });
        // It goes on to have someone who listens.
        std::thread::spawn(move || lines.for_each(drop));
        Server {
            child,
            host: host.expect("it says where it is"),
        }
    }

    /// What is answered to a request as it stands, head and body.
    fn raw(&self, request: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
        let end =
            end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(&answer)));
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        (head, answer[end + 4..].to_vec())
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let (head, body) = self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.host
        ));
        let status = head.split(' ').nth(1).expect("a status").parse();
        (status.expect("a number"), head, body)
    }

    /// Ends it as Ctrl-C does; gives the exit code and how long it took.
    fn end(mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        common::signal(self.child.id() as i32, libc::SIGINT);
        let status = self.child.wait().expect("it ends");
        (status.code(), started.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_file_comes_whole_or_in_part_with_what_a_browser_wants() {
    let dir = common::temp();
    let long: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    common::write(dir.path(), "a b.mp4", &long);
    common::write(dir.path(), "empty.png", "");
    let server = Server::start(dir.path(), &[]);

    let (status, head, body) = server.ask("GET", "/a%20b.mp4", "");
    assert_eq!((status, body.len()), (200, long.len()));
    assert!(body == long, "the bytes are those of the file");
    for header in [
        "content-type: video/mp4",
        "accept-ranges: bytes",
        "content-length: 700000",
        "access-control-allow-origin: *",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    let (status, head, body) = server.ask("HEAD", "/a%20b.mp4", "");
    assert_eq!((status, body.len()), (200, 0));
    assert!(head.contains("content-length: 700000"), "{head}");

    for (range, first, last) in [
        ("0-0", 0, 0),
        ("5-300004", 5, 300_004),
        ("-2", 699_998, 699_999),
    ] {
        let (status, head, body) =
            server.ask("GET", "/a%20b.mp4", &format!("Range: bytes={range}\r\n"));
        assert_eq!(status, 206, "{range}");
        assert!(body == long[first..=last], "{range}");
        let told = format!("content-range: bytes {first}-{last}/700000");
        assert!(head.contains(&told), "{head}");
    }
    let (status, head, _) = server.ask("GET", "/a%20b.mp4", "Range: bytes=700000-\r\n");
    assert_eq!(status, 416);
    assert!(head.contains("content-range: bytes */700000"), "{head}");
    let (status, _, body) = server.ask("GET", "/empty.png", "");
    assert_eq!((status, body.len()), (200, 0));
    let conditional = "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n";
    assert_eq!(server.ask("GET", "/a%20b.mp4", conditional).0, 200);

    let (status, head, _) =
        server.ask("OPTIONS", "/a%20b.mp4", "Origin: http://localhost:8080\r\n");
    assert_eq!(status, 204);
    assert!(
        head.contains("access-control-allow-headers: *, range"),
        "{head}"
    );
    assert_eq!(
        server.ask("POST", "/a%20b.mp4", "Content-Length: 0\r\n").0,
        405
    );
}

#[test]
fn nothing_but_the_folder_is_served() {
    let dir = common::temp();
    let folder = dir.path().join("media");
    for name in ["media/.hidden", "media/in", "outside"] {
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    common::write(dir.path(), "outside/secret.jpg", "secret");
    common::write(&folder, "a.jpg", "a");
    common::write(&folder, ".b.jpg", "secret");
    common::write(&folder, ".hidden/c.jpg", "secret");
    common::write(&folder, "keys.env", "secret");
    common::write(&folder, "no-suffix", "secret");
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, folder.join(at)).unwrap();
    link("../outside/secret.jpg", "out.jpg");
    link("../outside", "out");
    link("a.jpg", "in/../inside.jpg");
    link(".", "in/../loop");
    assert!(
        Command::new("mkfifo")
            .arg(folder.join("pipe.jpg"))
            .status()
            .unwrap()
            .success()
    );

    let server = Server::start(&folder, &[]);
    for refused in [
        "/out.jpg",
        "/out/secret.jpg",
        "/../outside/secret.jpg",
        "/%2e%2e/outside/secret.jpg",
        "/..%2foutside%2fsecret.jpg",
        "/in/../../outside/secret.jpg",
        "/%2e%2e%2foutside/secret.jpg",
        "/in/..%2fa.jpg",
        "//a.jpg",
        "/in//../a.jpg",
        "/a.jpg%00",
        "/a.jpg%00.jpg",
        "/a.jpg/",
        "/.b.jpg",
        "/.hidden/c.jpg",
        "/%2ehidden/c.jpg",
        "/keys.env",
        "/no-suffix",
        "/pipe.jpg",
        "/in",
        "/",
        "/%",
        "/a.jp%g",
        "http://elsewhere/../outside/secret.jpg",
    ] {
        let (status, _, body) = server.ask("GET", refused, "");
        assert!(matches!(status, 400 | 404), "{refused}: {status}");
        assert!(body.is_empty(), "{refused} says nothing");
    }
    for served in [
        "/a.jpg",
        "/%61.jpg",
        "/inside.jpg",
        "/loop/a.jpg",
        "/a.jpg?d=1",
    ] {
        assert_eq!(server.ask("GET", served, "").0, 200, "{served}");
    }
}

#[test]
fn the_list_is_a_source_whose_every_address_is_served() {
    let dir = common::temp();
    let folder = dir.path().join("photos");
    for name in [
        "2026/ü & #1.jpg",
        "2026/a b.png",
        "c%20d.mp3",
        "e?.pdf",
        "notes.txt",
        ".f.jpg",
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, name).unwrap();
    }
    let raw = folder.join(std::ffi::OsStr::from_bytes(b"latin-\xe9.jpg"));
    std::fs::write(raw, "x").unwrap();
    common::write(dir.path(), "secret.jpg", "secret");
    std::os::unix::fs::symlink("../secret.jpg", folder.join("out.jpg")).unwrap();
    std::os::unix::fs::symlink("nowhere.jpg", folder.join("dead.jpg")).unwrap();
    let list = dir.path().join("urls.txt");
    let server = Server::start(&folder, &["--list", list.to_str().unwrap()]);
    let base = format!("http://{}", server.host);
    let urls = std::fs::read_to_string(&list).unwrap();
    let urls: Vec<_> = urls
        .lines()
        .map(|url| url.strip_prefix(&base).unwrap())
        .collect();
    let expected = [
        "/2026/a%20b.png",
        "/2026/%C3%BC%20%26%20%231.jpg",
        "/c%2520d.mp3",
        "/e%3F.pdf",
        "/latin-%E9.jpg",
    ];
    assert_eq!(urls, expected);
    for url in urls {
        assert_eq!(server.ask("GET", url, "").0, 200, "{url}");
    }
    let out = dir.path().join("out");
    let mut import = common::sluice();
    import
        .arg("import")
        .arg(&list)
        .arg("--to")
        .arg(&out)
        .args(["--data-key", "image"]);
    let ran = common::run(&mut import, common::PATIENCE);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let tasks = std::fs::read_to_string(out.join("import-000001.json")).unwrap();
    assert!(
        tasks.contains(&format!(r#"{{"data":{{"image":"{base}/c%2520d.mp3"}}}}"#)),
        "{tasks}"
    );
}

#[test]
fn ctrl_c_ends_it_although_a_client_stays() {
    let dir = common::temp();
    common::write(dir.path(), "a.jpg", "a");
    let server = Server::start(dir.path(), &["--allow-origin", "http://localhost:8080"]);
    let (_, head, _) = server.ask("GET", "/a.jpg", "");
    assert!(
        head.contains("access-control-allow-origin: http://localhost:8080"),
        "{head}"
    );
    let mut idle = TcpStream::connect(&server.host).unwrap();
    idle.write_all(b"GET /a.jpg HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut some = [0; 16];
    idle.read_exact(&mut some).unwrap();
    let silent = TcpStream::connect(&server.host).unwrap();
    let (code, took) = server.end();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(7), "{took:?}");
    drop((idle, silent));
}

#[test]
fn words_that_ask_for_what_cannot_be_are_refused() {
    let dir = common::temp();
    let folder = dir.path().to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    for (words, code, said) in [
        (vec!["/nowhere"], 1, "cannot be served"),
        (vec![folder, "--port", &taken], 2, "--port"),
        (vec![folder, "--bind", "0.0.0.0", "--list", "-"], 2, "--url"),
        (vec![folder, "--allow-origin", "localhost"], 2, "no origin"),
        (vec![folder, "--allow-origin", "http://a/b"], 2, "no origin"),
    ] {
        let ran = common::run(common::sluice().arg("serve").args(&words), common::PATIENCE);
        assert_eq!(ran.code(), code, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
    }
}
