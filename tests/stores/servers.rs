//! The stores on loopback that tests speak to: each is started once, and ends with the tests.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::thread;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::gcs;

/// A store that tests write to by the client of its makers' choice, and sluice reads.
pub struct Store {
    /// What addresses begin with.
    pub root: &'static str,
    /// What sluice is to have in its environment.
    pub settings: BTreeMap<String, String>,
    pub client: Arc<dyn ObjectStore>,
}

impl Store {
    pub fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        let path = Path::parse(key).unwrap();
        let body = body.into();
        now(async { self.client.put(&path, body.into()).await }).unwrap();
    }

    pub fn get(&self, key: &str) -> Vec<u8> {
        let path = Path::parse(key).unwrap();
        now(async { self.client.get(&path).await?.bytes().await })
            .unwrap()
            .to_vec()
    }

    pub fn delete(&self, key: &str) {
        let path = Path::parse(key).unwrap();
        now(async { self.client.delete(&path).await }).unwrap();
    }

    /// All keys below a prefix, in order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        use futures::TryStreamExt;
        let path = Path::parse(prefix).unwrap();
        let listed = now(async { self.client.list(Some(&path)).try_collect::<Vec<_>>().await });
        let mut keys: Vec<_> = listed
            .unwrap()
            .into_iter()
            .map(|o| o.location.to_string())
            .collect();
        keys.sort();
        keys
    }

    /// The program with what leads to this store in its environment.
    pub fn sluice(&self) -> Command {
        let mut command = crate::sluice();
        command.envs(&self.settings);
        command
    }
}

pub fn now<T>(work: impl Future<Output = T>) -> T {
    // One for all: a client keeps its connections, which end with the runtime they were made on.
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let start = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    RUNTIME.get_or_init(start).block_on(work)
}

/// Every kind of store.
pub fn all() -> [&'static Store; 3] {
    [s3(), azure(), gcs()]
}

pub fn s3() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let settings = start("s3");
        let client = AmazonS3Builder::new()
            .with_endpoint(&settings["AWS_ENDPOINT_URL"])
            .with_allow_http(true)
            .with_bucket_name("sluice")
            .with_access_key_id("testing")
            .with_secret_access_key("testing")
            .with_region("us-east-1");
        let client = Arc::new(client.build().unwrap());
        Store {
            root: "s3://sluice",
            settings,
            client,
        }
    })
}

pub fn azure() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let settings = start("azure");
        let account = &settings["AZURE_STORAGE_ACCOUNT_NAME"];
        let client = MicrosoftAzureBuilder::new()
            .with_endpoint(format!(
                "{}/{account}",
                settings["AZURITE_BLOB_STORAGE_URL"]
            ))
            .with_allow_http(true)
            .with_account(account)
            .with_access_key(&settings["AZURE_STORAGE_ACCOUNT_KEY"])
            .with_container_name("sluice");
        let client = Arc::new(client.build().unwrap());
        Store {
            root: "az://sluice",
            settings,
            client,
        }
    })
}

pub fn gcs() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let address = gcs::start();
        let key = format!(
            r#"{{"gcs_base_url":"{address}","disable_oauth":true,"client_email":"","private_key":"","private_key_id":""}}"#
        );
        let client = GoogleCloudStorageBuilder::new()
            .with_service_account_key(&key)
            .with_bucket_name("sluice")
            .with_client_options(object_store::ClientOptions::new().with_allow_http(true));
        let client = Arc::new(client.build().unwrap());
        let settings = BTreeMap::from([
            ("GOOGLE_SERVICE_ACCOUNT_KEY".to_owned(), key),
            ("GOOGLE_ALLOW_HTTP".to_owned(), "true".to_owned()),
        ]);
        Store { root: "gs://sluice", settings, client }
    })
}

/// Starts a store by the repository's script, which ends it when these tests have ended.
fn start(store: &str) -> BTreeMap<String, String> {
    let folder = std::env::temp_dir().join(format!("sluice-{store}-{}", std::process::id()));
    let started = Command::new(crate::root().join("scripts/object-stores"))
        .args([
            "start",
            store,
            "--for",
            &std::process::id().to_string(),
            "--data",
        ])
        .arg(folder)
        .output()
        .expect("scripts/object-stores");
    let told = String::from_utf8_lossy(&started.stderr);
    assert!(started.status.success(), "{told}");
    let settings = String::from_utf8(started.stdout).unwrap();
    let settings = settings.lines().filter_map(|line| line.split_once('='));
    settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A way to a server on which the `k`th connection is closed at once.
pub fn failing(server: &str, k: usize) -> String {
    through(
        server,
        move |number| if number == k { 0 } else { usize::MAX },
    )
}

/// A way to a server on which every connection is cut after so many bytes of answers.
pub fn cutting(server: &str, after: usize) -> String {
    through(server, move |_| after)
}

/// A way to a server on which a connection, by its number from 1, is cut after some bytes of answers.
fn through(server: &str, after: impl Fn(usize) -> usize + Send + 'static) -> String {
    let server = server.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, mut client) in (1..).zip(listener.incoming().flatten()) {
            let after = after(number);
            if after == 0 {
                continue;
            }
            let Ok(mut upstream) = TcpStream::connect(&server) else {
                continue;
            };
            let (mut asked, mut asking) =
                (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || drop(std::io::copy(&mut asked, &mut asking)));
            thread::spawn(move || {
                let mut answer = vec![0; 4096];
                let mut left = after;
                while let Ok(read @ 1..) = upstream.read(&mut answer) {
                    let read = read.min(left);
                    left -= read;
                    if client.write_all(&answer[..read]).is_err() || left == 0 {
                        break;
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
                let _ = upstream.shutdown(Shutdown::Both);
            });
        }
    });
    address
}
