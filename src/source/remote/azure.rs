//! Azure Blob Storage: its credentials and settings, from the environment.

use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};

use super::bucket::{METADATA, is_set, no_credentials, retry, unusable, variable, variables};
use crate::error::{Code, Error, Result};

const NAME: &str = "Azure Blob Storage";

/// A container, and where its credentials are from.
pub(super) fn open(container: &str, account: Option<&str>) -> Result<(MicrosoftAzure, String)> {
    let mut builder = MicrosoftAzureBuilder::new();
    // What Azure's own tools call them.
    let mut settings: Vec<(String, String)> = connection_string();
    for (name, key) in [
        ("AZURE_STORAGE_ACCOUNT", "azure_storage_account_name"),
        ("AZURE_STORAGE_KEY", "azure_storage_account_key"),
    ] {
        settings.extend(variable(name).map(|value| (key.to_owned(), value)));
    }
    settings.extend(variables("AZURE_"));
    for (name, value) in &settings {
        if let Ok(key) = name.parse::<AzureConfigKey>() {
            if key == AzureConfigKey::Endpoint && value.starts_with("http://") {
                // Whoever gives such an address means it.
                builder = builder.with_allow_http(true);
            }
            builder = builder.with_config(key, value);
        }
    }
    if let Some(account) = account {
        builder = builder.with_account(account);
    }
    let from = credentials(&builder)?;
    let is_set_up = builder
        .get_config_value(&AzureConfigKey::AccountName)
        .is_some()
        || is_set("AZURE_STORAGE_USE_EMULATOR");
    if !is_set_up {
        return Err(
            Error::new(Code::Usage, "which account of Azure Blob Storage is meant is not said")
                .help("set AZURE_STORAGE_ACCOUNT_NAME, or write `abfss://container@account.dfs.core.windows.net/`"),
        );
    }
    let store = builder
        .with_container_name(container)
        .with_retry(retry())
        .build()
        .map_err(|e| unusable(NAME, &e))?;
    Ok((store, from))
}

fn credentials(builder: &MicrosoftAzureBuilder) -> Result<String> {
    let has = |key: AzureConfigKey| builder.get_config_value(&key).is_some();
    if is_set("AZURE_SKIP_SIGNATURE") {
        return Ok("no credentials (AZURE_SKIP_SIGNATURE)".to_owned());
    }
    // In the order in which the client looks for them.
    let kinds = [
        (
            has(AzureConfigKey::Token),
            "the bearer token of AZURE_STORAGE_TOKEN",
        ),
        (has(AzureConfigKey::AccessKey), "the account's key"),
        (
            has(AzureConfigKey::ClientId)
                && has(AzureConfigKey::AuthorityId)
                && has(AzureConfigKey::FederatedTokenFile),
            "the workload identity of AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            has(AzureConfigKey::ClientId)
                && has(AzureConfigKey::AuthorityId)
                && has(AzureConfigKey::ClientSecret),
            "the service principal of AZURE_CLIENT_ID",
        ),
        (
            has(AzureConfigKey::SasKey),
            "the shared access signature of AZURE_STORAGE_SAS_TOKEN",
        ),
        (
            is_set("AZURE_USE_AZURE_CLI"),
            "the login of `az` (AZURE_USE_AZURE_CLI)",
        ),
        (
            is_set("AZURE_STORAGE_USE_EMULATOR"),
            "the emulator's well-known key",
        ),
        (
            is_set(METADATA),
            "the machine's identity, from its metadata service",
        ),
    ];
    let kind = kinds.into_iter().find(|(there, _)| *there);
    kind.map(|(_, from)| from.to_owned()).ok_or_else(|| {
        no_credentials(
            NAME,
            "set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, AZURE_STORAGE_CONNECTION_STRING, a service principal's \
             AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or AZURE_USE_AZURE_CLI=true after `az login`",
        )
    })
}

/// What `AZURE_STORAGE_CONNECTION_STRING` says, as the client's own settings.
fn connection_string() -> Vec<(String, String)> {
    let text = variable("AZURE_STORAGE_CONNECTION_STRING").unwrap_or_default();
    let parts = text.split(';').filter_map(|part| part.split_once('='));
    parts
        .filter_map(|(name, value)| {
            let key = match name.trim() {
                "AccountName" => "azure_storage_account_name",
                "AccountKey" => "azure_storage_account_key",
                "SharedAccessSignature" => "azure_storage_sas_key",
                "BlobEndpoint" => "azure_storage_endpoint",
                _ => return None,
            };
            Some((key.to_owned(), value.trim().to_owned()))
        })
        .collect()
}
