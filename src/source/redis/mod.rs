//! **Takes** the address of some keys of a Redis.
//! **Gives** a connection to their server, and the values that are there ([`values`]).
//! **Waits on** that server.
//! **To add one:** what an address may say is read in [`Address`]; how a value becomes a record, in [`values`].
//!
//! What stands under a key is what Label Studio's Redis storages have there (`io_storages/redis/models.py`): the keys of
//! a storage are those that start with its path, and a value is the JSON of one task.

pub mod values;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, Connection, ConnectionAddr, IntoConnectionInfo, RedisError, TlsCertificates, cmd,
};
use url::Url;

use crate::error::{Code, Error, Result};

/// Where the password comes from.
pub const PASSWORD: &str = "SLUICE_REDIS_PASSWORD";

/// Where a PEM file of certificates is named, by which a server is known instead of by the machine's own.
pub const CERTIFICATES: &str = "SLUICE_REDIS_CA_CERT";

/// The schemes, first that of connections by TLS.
const SCHEMES: [&str; 2] = ["rediss://", "redis://"];

/// The port if none is given.
const PORT: u16 = 6379;

/// How long the server may take over a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long it may take over an answer; one is some megabytes at most, unless a value is larger.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// Some keys of a server: `redis://HOST:PORT/DB?path=PREFIX`, or `rediss://` for one that is reached by TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether it is reached by TLS, its certificate always checked.
    tls: bool,
    /// The server's name, or its number without brackets.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    user: Option<String>,
    /// The number of the database.
    pub db: u16,
    /// What the keys start with.
    pub path: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { db, path, .. } = self;
        let scheme = SCHEMES[usize::from(!self.tls)];
        write!(f, "{scheme}{}/{db}?path={path}", self.server())
    }
}

/// Whether a word is to be an address of Redis, a good one or not.
#[must_use]
pub fn is_address(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| word.starts_with(scheme))
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // The text may hold a password, which is not to be shown.
        let bad = |why: &str| {
            Error::new(Code::Usage, format!("an address of Redis {why}"))
                .help("write it as `redis://HOST:PORT/DB?path=PREFIX`, such as `redis://localhost:6379/1?path=tasks`")
        };
        let url = Url::parse(text).map_err(|e| bad(&format!("cannot be read: {e}")))?;
        if url.password().is_some() {
            return Err(
                bad("must not hold a password, which others could see").help(format!(
                    "put the password into the environment, as {PASSWORD}"
                )),
            );
        }
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(bad("must start with `redis://`, or `rediss://` for TLS")),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| bad("needs a host"))?;
        let db = url.path().trim_start_matches('/').parse();
        let db = db.map_err(|_| bad("needs the number of a database after the host"))?;
        let mut path = None;
        for (key, value) in url.query_pairs() {
            if key != "path" || path.replace(value.into_owned()).is_some() {
                return Err(bad("has one `path` after `?`, and nothing else"));
            }
        }
        if url.fragment().is_some() {
            return Err(bad(
                "has nothing after `#`: write `%23` for a `#` in the path",
            ));
        }
        let user = Some(url.username()).filter(|user| !user.is_empty());
        Ok(Address {
            tls,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: url.port().unwrap_or(PORT),
            user: user.map(str::to_owned),
            db,
            path: path.unwrap_or_default(),
        })
    }
}

impl Address {
    /// Whether it is reached by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// A connection, with the password that the environment has.
    ///
    /// # Errors
    /// When there is no such server, its certificate is not to be trusted, or it does not accept the password.
    pub fn connect(&self) -> Result<Connection> {
        let certificates = self.certificates()?;
        let connected = || {
            let (host, port) = (self.host.clone(), self.port);
            let address = if self.tls {
                ConnectionAddr::TcpTls {
                    host,
                    port,
                    insecure: false,
                    tls_params: None,
                }
            } else {
                ConnectionAddr::Tcp(host, port)
            };
            let info = address.into_connection_info()?;
            let mut settings = info.redis_settings().clone();
            if let Some(user) = &self.user {
                settings = settings.set_username(user);
            }
            if let Some(password) = std::env::var(PASSWORD).ok().filter(|p| !p.is_empty()) {
                settings = settings.set_password(password);
            }
            // What is asked for is asked for whole: there is nothing to gather on the way.
            let at_once = TcpSettings::default().set_nodelay(true);
            let info = info.set_tcp_settings(at_once);
            let info = info.set_redis_settings(settings);
            let client = if self.tls {
                let trusted = TlsCertificates {
                    client_tls: None,
                    root_cert: certificates,
                };
                Client::build_with_tls(info, trusted)?
            } else {
                Client::open(info)?
            };
            let mut connection = client.get_connection_with_timeout(CONNECT_TIME)?;
            connection.set_read_timeout(Some(ANSWER_TIME))?;
            connection.set_write_timeout(Some(ANSWER_TIME))?;
            // Asked for here, a server that wants a password says so.
            cmd("SELECT").arg(self.db).query::<()>(&mut connection)?;
            Ok(connection)
        };
        connected().map_err(|e: RedisError| self.error(Code::SourceRead, &e))
    }

    /// The certificates by which the server is known, where they are named.
    fn certificates(&self) -> Result<Option<Vec<u8>>> {
        let named = std::env::var_os(CERTIFICATES).filter(|name| self.tls && !name.is_empty());
        let read = named.map(|name| {
            std::fs::read(&name).map_err(|e| {
                let name = name.to_string_lossy();
                let reason = format!("cannot read `{name}`, which {CERTIFICATES} names: {e}");
                Error::new(Code::Usage, reason)
            })
        });
        read.transpose()
    }

    /// Its host and port, as they stand in an address.
    fn server(&self) -> String {
        let Address { host, port, .. } = self;
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    /// An error of the server's; `code` says what was done when it is none of the connection.
    #[must_use]
    pub fn error(&self, code: Code, cause: &RedisError) -> Error {
        let at = self.server();
        let denied = cause.kind() == redis::ErrorKind::AuthenticationFailed
            || matches!(cause.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"));
        if denied {
            let what = cause.code().unwrap_or("no");
            return Error::new(
                Code::Unauthorized,
                format!("the Redis at {at} does not let this user in ({what})"),
            )
            .help(format!(
                "give the password in {PASSWORD}, and the user's name in the address if there is one"
            ));
        }
        let reason = format!("the Redis at {at} cannot be reached: {cause}");
        if reason.contains("certificate") {
            return Error::new(Code::Unauthorized, reason).help(format!(
                "if an authority of your own has signed it, name the PEM file of that one's certificate in {CERTIFICATES}"
            ));
        }
        if cause.is_io_error() || cause.is_connection_refusal() || cause.is_timeout() {
            return Error::new(Code::ServerUnreachable, reason);
        }
        Error::new(code, format!("the Redis at {at} says: {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_is_host_port_database_and_path() {
        let read = |text: &str| text.parse::<Address>();
        let address = read("redis://localhost/1?path=a%2Fb%23*").unwrap();
        assert_eq!(address.to_string(), "redis://localhost:6379/1?path=a/b#*");
        let address = read("redis://me@[::1]:7000/15").unwrap();
        assert_eq!(address.to_string(), "redis://[::1]:7000/15?path=");
        let address = read("rediss://localhost/1?path=a").unwrap();
        assert_eq!(address.to_string(), "rediss://localhost:6379/1?path=a");
        for bad in [
            "redis://",
            "redis://localhost",
            "redis://localhost/x",
            "redis://localhost/1?path=a&path=b",
            "redis://localhost/1?prefix=a",
            "redis://localhost/1#a",
            "redis+unix://localhost/1",
            "rediss://localhost",
            "redis://:secret@localhost/1",
            "rediss://:secret@localhost/1",
        ] {
            let error = read(bad).unwrap_err();
            assert!(
                !format!("{error}{error:?}").contains("secret"),
                "{bad}: {error}"
            );
        }
    }
}
