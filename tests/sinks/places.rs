//! The places that imports go to, each with what a test can do with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use object_store::ObjectMeta;
use redis::Commands;

use crate::common::{self, Ran};
use crate::redis_server::Server;
use crate::servers::{self, Store, now};
use crate::way::{self, Act, Call, Way};

/// Records of the source, each of which becomes a task: enough that there are more calls than a test breaks.
pub const RECORDS: usize = 60;

/// A kind of place.
pub enum Kind {
    Store(&'static Store),
    Redis(&'static Server),
    Folder(tempfile::TempDir),
}

/// A place, and the layout that it is written in.
pub struct Place {
    pub kind: Kind,
    pub layout: &'static str,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match &self.kind {
            Kind::Store(store) => store.root,
            Kind::Redis(_) => "redis",
            Kind::Folder(_) => "folder",
        };
        write!(f, "{name} as {}", self.layout)
    }
}

/// The source, which lasts as long as its folder.
pub fn source() -> (tempfile::TempDir, PathBuf) {
    let dir = common::temp();
    let body: String = (0..RECORDS)
        .map(|n| format!("{{\"n\":{n},\"text\":\"the {n}th of some lines\"}}\n"))
        .collect();
    let path = common::write(dir.path(), "lines.jsonl", body);
    (dir, path)
}

/// The tasks that it becomes, in order.
pub fn expected() -> Vec<String> {
    (0..RECORDS)
        .map(|n| format!("{{\"data\":{{\"n\":{n},\"text\":\"the {n}th of some lines\"}}}}"))
        .collect()
}

/// One that is the same for all runs, so that their manifests are.
fn shared_source() -> &'static PathBuf {
    static SOURCE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &SOURCE.get_or_init(source).1
}

/// The Redis of all tests.
pub fn redis() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::start(None);
        server.until_the_tests_end();
        server
    })
}

/// All places that are reached over a network.
pub fn remote() -> Vec<Place> {
    let mut places = Vec::new();
    for store in servers::all() {
        for layout in ["import", "storage"] {
            places.push(Place {
                kind: Kind::Store(store),
                layout,
            });
        }
    }
    places.push(Place {
        kind: Kind::Redis(redis()),
        layout: "storage",
    });
    places
}

/// All places.
pub fn all() -> Vec<Place> {
    let mut places = remote();
    for layout in ["import", "storage"] {
        places.push(Place {
            kind: Kind::Folder(common::temp()),
            layout,
        });
    }
    places
}

impl Place {
    /// Whether the same command goes on with what an earlier one has left.
    pub fn goes_on(&self) -> bool {
        !(matches!(self.kind, Kind::Folder(_)) && self.layout == "import")
    }

    /// What `--to` is.
    pub fn to(&self, prefix: &str, way: Option<&Way>) -> String {
        let prefix = format!("{}-{prefix}", self.layout);
        match &self.kind {
            Kind::Store(store) => format!("{}/{prefix}", store.root),
            Kind::Redis(server) => {
                let at = format!("127.0.0.1:{}", server.port);
                let at = way.map_or(at.as_str(), |way| &way.at);
                format!("redis://{at}/1?path={prefix}/")
            }
            Kind::Folder(folder) => folder.path().join(prefix).display().to_string(),
        }
    }

    /// An import to a prefix, one task an import.
    pub fn command(&self, prefix: &str, way: Option<&Way>) -> Command {
        let mut command = self.program(way);
        command
            .arg("import")
            .arg(shared_source())
            .args(["--max-tasks", "1", "--threads", "1"]);
        command.args(["--layout", self.layout, "--to", &self.to(prefix, way)]);
        command
    }

    /// The program, which speaks to the place by a way if there is one.
    pub fn program(&self, way: Option<&Way>) -> Command {
        let mut command = crate::sluice();
        command.env(
            "SLUICE_STATE_DIR",
            std::env::temp_dir().join(format!("sluice-sinks-{}", std::process::id())),
        );
        if let Kind::Store(store) = &self.kind {
            let server = self.server();
            for (name, value) in &store.settings {
                let value = match way {
                    Some(way) => value.replace(&server, &way.at),
                    None => value.clone(),
                };
                command.env(name, value);
            }
        }
        command
    }

    pub fn run(&self, prefix: &str, way: Option<&Way>) -> Ran {
        let ran = common::run(&mut self.command(prefix, way), common::PATIENCE);
        assert_eq!(ran.misbehaviour(), None, "{self:?}: {}", ran.stderr);
        ran
    }

    /// Host and port of the place's server.
    pub fn server(&self) -> String {
        match &self.kind {
            Kind::Store(store) => {
                let address = store
                    .settings
                    .values()
                    .find_map(|value| value.split_once("http://"));
                let (_, rest) = address.expect("an address");
                rest.split(['/', '"']).next().unwrap().to_owned()
            }
            Kind::Redis(server) => format!("127.0.0.1:{}", server.port),
            Kind::Folder(_) => panic!("a folder has no server"),
        }
    }

    /// A way to the place's server on which calls go wrong by a rule.
    pub fn way(&self, rule: impl Fn(&Call<'_>) -> Act + Send + Sync + 'static) -> Way {
        match &self.kind {
            Kind::Redis(_) => way::of_redis(&self.server(), rule),
            _ => way::of_http(&self.server(), rule),
        }
    }

    /// Everything below a prefix, with its bytes.
    pub fn contents(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let to = format!("{}-{prefix}", self.layout);
        match &self.kind {
            Kind::Store(store) => {
                let keys = store.keys(&to);
                let within = to.len() + 1;
                let bodies = now(async {
                    use futures::StreamExt;
                    let get = |key: &String| {
                        let path = object_store::path::Path::parse(key).unwrap();
                        async move {
                            use object_store::ObjectStoreExt;
                            store
                                .client
                                .get(&path)
                                .await
                                .unwrap()
                                .bytes()
                                .await
                                .unwrap()
                                .to_vec()
                        }
                    };
                    futures::stream::iter(keys.iter().map(get))
                        .buffered(16)
                        .collect::<Vec<_>>()
                        .await
                });
                keys.iter()
                    .map(|key| key[within..].to_owned())
                    .zip(bodies)
                    .collect()
            }
            Kind::Redis(server) => {
                let mut connection = server.connect();
                let keys: Vec<String> = connection.keys(format!("{to}/*")).unwrap();
                let get = |key: String| {
                    let value: Vec<u8> = connection.get(&key).unwrap();
                    (key[to.len() + 1..].to_owned(), value)
                };
                keys.into_iter().map(get).collect()
            }
            Kind::Folder(folder) => files(&folder.path().join(&to))
                .into_iter()
                .map(|(name, path)| (name, std::fs::read(path).unwrap()))
                .collect(),
        }
    }

    /// The same, but for what tells one run from another of the same.
    pub fn result(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let mut contents = self.contents(prefix);
        if let Some(manifest) = contents.get_mut("manifest.json") {
            let mut value: serde_json::Value = serde_json::from_slice(manifest).unwrap();
            assert!(value.as_object_mut().unwrap().remove("run").is_some());
            *manifest = value.to_string().into_bytes();
        }
        contents
    }

    /// What a run that nothing disturbed leaves; it is made once.
    pub fn undisturbed(&self) -> BTreeMap<String, Vec<u8>> {
        // Several tests ask for it, and none must see it before it is whole.
        static MAKING: Mutex<()> = Mutex::new(());
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if self.contents("undisturbed").is_empty() {
            let ran = self.run("undisturbed", None);
            assert_eq!(ran.code(), 0, "{self:?}: {}", ran.stderr);
        }
        self.result("undisturbed")
    }

    /// What would be otherwise if something were written once more: the stores' own stamps.
    pub fn stamps(&self, prefix: &str) -> BTreeMap<String, String> {
        let to = format!("{}-{prefix}", self.layout);
        match &self.kind {
            Kind::Store(store) => {
                use futures::TryStreamExt;
                let path = object_store::path::Path::parse(&to).unwrap();
                let told: Vec<ObjectMeta> =
                    now(async { store.client.list(Some(&path)).try_collect().await }).unwrap();
                let told = told.into_iter();
                told.map(|about| {
                    let name = about.location.as_ref()[to.len() + 1..].to_owned();
                    (
                        name,
                        format!("{:?} {:?} {}", about.last_modified, about.e_tag, about.size),
                    )
                })
                .collect()
            }
            // A key that is written once more by SET without NX has another content of this kind only.
            Kind::Redis(_) => {
                let contents = self.contents(prefix).into_iter();
                contents
                    .map(|(name, value)| (name, format!("{value:?}")))
                    .collect()
            }
            Kind::Folder(folder) => {
                use std::os::unix::fs::MetadataExt;
                let stamp = |path: PathBuf| {
                    let about = std::fs::metadata(path).unwrap();
                    format!("{} {:?}", about.ino(), about.modified().unwrap())
                };
                let there = files(&folder.path().join(&to)).into_iter();
                there.map(|(name, path)| (name, stamp(path))).collect()
            }
        }
    }

    /// The tasks that are there, in order.
    pub fn tasks(&self, prefix: &str) -> Vec<String> {
        let contents = self.contents(prefix).into_iter();
        let bodies = contents.filter(|(name, _)| name != "manifest.json");
        bodies
            .map(|(_, body)| {
                let text = String::from_utf8(body).unwrap();
                match text.strip_prefix('[') {
                    Some(rest) => rest.strip_suffix(']').unwrap().to_owned(),
                    None => text,
                }
            })
            .collect()
    }
}

/// The files below a folder, by their names from there.
fn files(folder: &std::path::Path) -> BTreeMap<String, PathBuf> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry
                .path()
                .strip_prefix(folder)
                .unwrap()
                .display()
                .to_string();
            (name, entry.into_path())
        })
        .collect()
}
