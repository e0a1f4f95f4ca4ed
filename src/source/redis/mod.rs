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
use redis::{Client, Connection, ConnectionAddr, IntoConnectionInfo, RedisError, cmd};
use url::Url;

use crate::error::{Code, Error, Result};

/// Where the password comes from.
pub const PASSWORD: &str = "SLUICE_REDIS_PASSWORD";

/// The port if none is given.
const PORT: u16 = 6379;

/// How long the server may take over a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long it may take over an answer; one is some megabytes at most, unless a value is larger.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// Some keys of a server: `redis://HOST:PORT/DB?path=PREFIX`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    user: Option<String>,
    db: u16,
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
        write!(f, "redis://{}/{db}?path={path}", self.server())
    }
}

/// Whether a word is to be an address of Redis, a good one or not.
#[must_use]
pub fn is_address(word: &str) -> bool {
    ["redis://", "rediss://"]
        .iter()
        .any(|scheme| word.starts_with(scheme))
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
        if url.scheme() != "redis" {
            return Err(bad(
                "must start with `redis://`: connections by TLS are not known",
            ));
        }
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
    /// A connection, with the password that the environment has.
    ///
    /// # Errors
    /// When there is no such server, or it does not accept the password.
    pub fn connect(&self) -> Result<Connection> {
        let connected = || {
            let address = ConnectionAddr::Tcp(self.host.clone(), self.port);
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
            let client = Client::open(info.set_redis_settings(settings))?;
            let mut connection = client.get_connection_with_timeout(CONNECT_TIME)?;
            connection.set_read_timeout(Some(ANSWER_TIME))?;
            connection.set_write_timeout(Some(ANSWER_TIME))?;
            // Asked for here, a server that wants a password says so.
            cmd("SELECT").arg(self.db).query::<()>(&mut connection)?;
            Ok(connection)
        };
        connected().map_err(|e: RedisError| self.error(Code::SourceRead, &e))
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
        if cause.is_io_error() || cause.is_connection_refusal() || cause.is_timeout() {
            return Error::new(
                Code::ServerUnreachable,
                format!("the Redis at {at} cannot be reached: {cause}"),
            );
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
        for bad in [
            "redis://",
            "redis://localhost",
            "redis://localhost/x",
            "redis://localhost/1?path=a&path=b",
            "redis://localhost/1?prefix=a",
            "redis://localhost/1#a",
            "rediss://localhost/1",
            "redis://:secret@localhost/1",
        ] {
            let error = read(bad).unwrap_err();
            assert!(
                !format!("{error}{error:?}").contains("secret"),
                "{bad}: {error}"
            );
        }
    }
}
