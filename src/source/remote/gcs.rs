//! Google Cloud Storage: its credentials and settings, from the environment and from the file that `gcloud` writes.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::StaticCredentialProvider;
use object_store::gcp::{
    GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey,
};
use serde_json::Value;

use super::bucket::{
    METADATA, first_variable, home, is_set, no_credentials, retry, unusable, variable, variables,
};
use crate::error::Result;

const NAME: &str = "Google Cloud Storage";

/// A bucket, and where its credentials are from.
pub(super) fn open(bucket: &str) -> Result<(GoogleCloudStorage, String)> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in variables("GOOGLE_") {
        if let Ok(key) = name.parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    if variable("GOOGLE_BASE_URL").is_some_and(|address| address.starts_with("http://")) {
        // Whoever gives such an address means it.
        builder = builder.with_config(
            GoogleConfigKey::Client(object_store::ClientConfigKey::AllowHttp),
            "true",
        );
    }
    let (builder, from) = credentials(builder)?;
    let store = builder.with_bucket_name(bucket).with_retry(retry()).build();
    let store = store.map_err(|e| unusable(NAME, &e))?;
    Ok((store, from))
}

fn credentials(builder: GoogleCloudStorageBuilder) -> Result<(GoogleCloudStorageBuilder, String)> {
    if is_set("GOOGLE_SKIP_SIGNATURE") {
        // Without any the metadata service would be asked for some.
        let none = StaticCredentialProvider::new(GcpCredential {
            bearer: String::new(),
        });
        let builder = builder.with_credentials(Arc::new(none));
        return Ok((builder, "no credentials (GOOGLE_SKIP_SIGNATURE)".to_owned()));
    }
    let given = [
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_BEARER_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ];
    if let Some((name, _)) = first_variable(&given) {
        return Ok((builder, format!("the account of {name}")));
    }
    if let Some(path) = usual_file() {
        let builder = builder.with_application_credentials(path.display().to_string());
        let from = "the application default credentials of gcloud".to_owned();
        return Ok((builder, from));
    }
    if is_set(METADATA) {
        return Ok((
            builder,
            "the machine's role, from its metadata service".to_owned(),
        ));
    }
    Err(no_credentials(
        NAME,
        "set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials, or run `gcloud auth application-default login`, \
         or set GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    ))
}

/// The file that `gcloud auth application-default login` writes, if it is there.
fn usual_file() -> Option<PathBuf> {
    let folder = variable("CLOUDSDK_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(home()?.join(".config/gcloud")))?;
    Some(folder.join("application_default_credentials.json")).filter(|path| path.is_file())
}

/// Whether the credentials hold a private key, by which addresses are signed here, or the machine's role signs them.
pub(super) fn has_private_key() -> bool {
    let files = [
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ];
    // In the order in which the client looks for them.
    let text = match variable("GOOGLE_SERVICE_ACCOUNT_KEY") {
        Some(text) => Some(text),
        None => first_variable(&files)
            .map(|(_, path)| PathBuf::from(path))
            .or_else(usual_file)
            .and_then(|path| std::fs::read_to_string(path).ok()),
    };
    let Some(text) = text else {
        return is_set(METADATA);
    };
    let account: Value = serde_json::from_str(&text).unwrap_or_default();
    account["private_key"]
        .as_str()
        .is_some_and(|key| !key.is_empty())
}
