//! A real Redis on a free port of this machine.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Connection;

use crate::common::{self, PATIENCE};

/// A server that is ended with this.
pub struct Server {
    child: Child,
    pub port: u16,
    password: Option<&'static str>,
    pub folder: tempfile::TempDir,
}

impl Server {
    pub fn start(password: Option<&'static str>) -> Server {
        Server::start_by(password, false)
    }

    /// One that is spoken to by TLS too, on another port; its certificate, which is good for `localhost`, is in its folder
    /// as `cert.pem`.
    pub fn start_by_tls() -> (Server, u16) {
        let server = Server::start_by(None, true);
        let mut connection = server.connect();
        let port: Vec<String> = redis::cmd("CONFIG")
            .arg(&["GET", "tls-port"])
            .query(&mut connection)
            .unwrap();
        let port = port[1].parse().unwrap();
        (server, port)
    }

    fn start_by(password: Option<&'static str>, tls: bool) -> Server {
        let folder = common::temp();
        if tls {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            common::write(folder.path(), "cert.pem", made.cert.pem());
            common::write(folder.path(), "key.pem", made.signing_key.serialize_pem());
        }
        let started = Instant::now();
        loop {
            let free = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap();
            let port = free.port();
            let mut command = Command::new("redis-server");
            command
                .args([
                    "--port",
                    &port.to_string(),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                ])
                .args(["--appendonly", "no", "--dir"])
                .arg(folder.path())
                .stdout(Stdio::null());
            if let Some(password) = password {
                command.args(["--requirepass", password]);
            }
            // The server takes both, or ends.
            let free = tls.then(|| TcpListener::bind("127.0.0.1:0").unwrap());
            if let Some(free) = free {
                let port = free.local_addr().unwrap().port().to_string();
                command.args(["--tls-port", &port, "--tls-auth-clients", "no"]);
                for (flag, name) in [
                    ("--tls-cert-file", "cert.pem"),
                    ("--tls-key-file", "key.pem"),
                ] {
                    command.arg(flag).arg(folder.path().join(name));
                }
            }
            let child = command.spawn().unwrap_or_else(|e| {
                panic!("redis-server does not start ({e}): install it, as with `apt-get install redis-server`")
            });
            let mut server = Server {
                child,
                port,
                password,
                folder: common::temp(),
            };
            // Another test may have taken the port meanwhile; the server then ends.
            while server.child.try_wait().unwrap().is_none() {
                if server.try_connect(0).is_ok() {
                    server.folder = folder;
                    return server;
                }
                assert!(started.elapsed() < PATIENCE, "the server does not answer");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    pub fn try_connect(&self, db: u8) -> redis::RedisResult<Connection> {
        let login = self
            .password
            .map_or_else(String::new, |password| format!(":{password}@"));
        let client = redis::Client::open(format!("redis://{login}127.0.0.1:{}/{db}", self.port))?;
        let mut connection = client.get_connection()?;
        redis::cmd("PING").query::<String>(&mut connection)?;
        Ok(connection)
    }

    /// Has it end when these tests have ended, for one that is never dropped.
    #[expect(
        clippy::zombie_processes,
        reason = "it outlives whoever could wait for it"
    )]
    pub fn until_the_tests_end(&self) {
        let line = "while kill -0 \"$0\" 2>/dev/null; do sleep 0.5; done; kill \"$1\"";
        let (tests, server) = (std::process::id(), self.child.id());
        let mut shell = Command::new("sh");
        shell.args(["-c", line, &tests.to_string(), &server.to_string()]);
        for end in [Command::stdin, Command::stdout, Command::stderr] {
            end(&mut shell, Stdio::null());
        }
        let _ = shell.spawn().expect("a shell");
    }

    pub fn connect(&self) -> Connection {
        self.try_connect(1).expect("it answers")
    }

    pub fn address(&self, path: &str) -> String {
        format!("redis://127.0.0.1:{}/1?path={path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
